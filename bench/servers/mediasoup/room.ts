/** One room: a router, its participants and their tracks. */

import { type ParticipantInfo, ParticipantUpdate, SignalResponse } from '@livekit/protocol';
import type { Router, RtpCapabilities, Transport, TransportOptions } from './api.ts';
import type { Participant } from './participant.ts';
import { sid } from './sid.ts';
import type { Track } from './track.ts';

export class Room {
  readonly name: string;
  readonly sid = sid('RM');
  /** Of all who receive. */
  readonly capabilities: RtpCapabilities;
  readonly #router: Router;
  readonly #transport: TransportOptions;
  readonly #close: () => void;
  readonly #participants = new Set<Participant>();
  /** By SID. */
  readonly #tracks = new Map<string, Track>();

  /** `close` hears when the last one has left. */
  constructor(
    name: string,
    router: Router,
    transport: TransportOptions,
    capabilities: RtpCapabilities,
    close: () => void,
  ) {
    this.name = name;
    this.#router = router;
    this.#transport = transport;
    this.capabilities = capabilities;
    this.#close = close;
  }

  join(participant: Participant): void {
    this.#participants.add(participant);
    participant.begin();
  }

  leave(participant: Participant): void {
    if (!this.#participants.delete(participant)) return;
    const { tracks } = participant.publishing;
    for (const { info } of tracks) this.#tracks.delete(info.sid);
    if (tracks.length > 0) {
      for (const other of this.#participants) other.handleUnpublished(tracks);
      this.#tell(participant.info());
    }
    if (this.#participants.size > 0) return;
    this.#router.close();
    this.#close();
  }

  publish(participant: Participant, tracks: readonly Track[]): void {
    for (const track of tracks) this.#tracks.set(track.info.sid, track);
    this.#tell(participant.info());
    for (const other of this.#participants) if (other !== participant) other.handlePublished(tracks);
  }

  /** What somebody who takes everything receives. */
  tracksFor({ sid: own }: Participant): Track[] {
    return [...this.#tracks.values()].filter(({ publisher }) => publisher !== own);
  }

  /** Of these SIDs; what is not there any more is left out. */
  tracks(sids: readonly string[]): Track[] {
    return sids.flatMap((one) => this.#tracks.get(one) ?? []);
  }

  /** Who else has tracks. */
  publishers(besides: Participant): ParticipantInfo[] {
    const found = [...this.#participants].filter((one) => one !== besides && one.publishing.tracks.length > 0);
    return found.map((one) => one.info());
  }

  openTransport(): Promise<Transport> {
    return this.#router.createWebRtcTransport(this.#transport);
  }

  /** News of those who publish only: the load asks for no others, and thousands of them would be work for nothing. */
  #tell(participant: ParticipantInfo): void {
    const value = new ParticipantUpdate({ participants: [participant] });
    const bytes = new SignalResponse({ message: { case: 'update', value } }).toBinary();
    for (const one of this.#participants) one.write(bytes);
  }
}
