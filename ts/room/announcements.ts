/**
 * What everybody in a room has been told about its participants. One record serves all clients, so that an update to
 * thousands costs each of them no more than the sending.
 */

import { ParticipantInfo, ParticipantInfo_State } from '@livekit/protocol';

interface Departure {
  readonly sid: string;
  readonly identity: string;
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Told only to clients that don't follow identities. */
  readonly replaced: boolean;
}

export class Announcements {
  /** By sid; of those that are still in the room. */
  readonly #versions = new Map<string, number>();
  /** Latest last. */
  #departures: Departure[] = [];

  /** `replaced`: another session of the identity goes on. */
  add({ sid, identity, version, state }: ParticipantInfo, at: number, replaced: boolean): void {
    if (state !== ParticipantInfo_State.DISCONNECTED) {
      this.#versions.set(sid, version);
      return;
    }
    this.#versions.delete(sid);
    this.#departures.push({ sid, identity, version, at, replaced });
    if (this.#departures.length > 2 * REMEMBERED) this.#departures = this.#departures.slice(-REMEMBERED);
  }

  /** Nothing more will be told of it. */
  forget(sid: string): void {
    this.#versions.delete(sid);
  }

  /** The version told last; 0 where none was. */
  version(sid: string): number {
    return this.#versions.get(sid) ?? 0;
  }

  /** Who left since then, latest first. */
  departedSince(since: number, followsIdentities: boolean): ParticipantInfo[] {
    const missed: ParticipantInfo[] = [];
    for (let index = this.#departures.length - 1; index >= 0; index -= 1) {
      const departure = this.#departures[index];
      if (departure === undefined || departure.at < since || missed.length >= REMEMBERED) break;
      if (departure.replaced && followsIdentities) continue;
      const { sid, identity, version } = departure;
      missed.push(new ParticipantInfo({ sid, identity, version, state: ParticipantInfo_State.DISCONNECTED }));
    }
    return missed;
  }
}

/** Departures kept per room for clients that come back; more cost memory, fewer leave ghosts behind in large rooms. */
const REMEMBERED = 1024;
