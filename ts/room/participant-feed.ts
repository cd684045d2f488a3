import { ParticipantInfo, ParticipantInfo_State, ParticipantUpdate, type SignalResponse } from '@livekit/protocol';
import type { ParticipantSid } from '../lib/ids.ts';
import type { Outbox } from './outbox.ts';

interface Told {
  identity: string;
  version: number;
  state: ParticipantInfo_State;
  at: number;
}

/**
 * What one client has been told about the participants of its room. Nothing is told before the join response, stale
 * versions never are, and hidden participants are told to nobody but themselves.
 */
export class ParticipantFeed {
  readonly #self: ParticipantSid;
  readonly #outbox: Outbox;
  readonly #now: () => number;
  /** Least recently told first. */
  readonly #told = new Map<string, Told>();
  #queue: ParticipantInfo[] | undefined = [];

  constructor(self: ParticipantSid, outbox: Outbox, now: () => number) {
    this.#self = self;
    this.#outbox = outbox;
    this.#now = now;
  }

  /** The join response named these; what changed meanwhile is told now. */
  open(named: readonly ParticipantInfo[]): void {
    for (const info of named) this.#remember(info);
    const queued = this.#queue ?? [];
    this.#queue = undefined;
    this.tell(queued);
  }

  tell(infos: readonly ParticipantInfo[]): void {
    if (this.#queue !== undefined) {
      this.#queue.push(...infos);
      return;
    }
    const fresh = infos.filter((info) => this.#accepts(info));
    if (fresh.length === 0) return;
    this.#outbox.send({ case: 'update', value: new ParticipantUpdate({ participants: fresh }) });
  }

  /** The same for an update to many: sent as it is unless this client must not see all of it. */
  tellShared(update: SignalResponse, infos: readonly ParticipantInfo[]): void {
    if (this.#queue !== undefined || infos.some((info) => this.#stale(info) || this.#hiddenFrom(info))) {
      this.tell(infos);
      return;
    }
    for (const info of infos) this.#remember(info);
    this.#outbox.sendShared(update);
  }

  /** Tells about a participant unless this version, or a later one, was told: its media must not come first. */
  ensureTold(info: ParticipantInfo): void {
    if (this.#queue !== undefined) return;
    const told = this.#told.get(info.sid);
    if (told === undefined || told.version < info.version) this.tell([info]);
  }

  /** Participants whose leave was told after `since`: a client that lost its socket may not have heard. */
  disconnectedSince(since: number): ParticipantInfo[] {
    const missed: ParticipantInfo[] = [];
    for (const [sid, { identity, version, state, at }] of this.#told) {
      if (at < since || state !== ParticipantInfo_State.DISCONNECTED) continue;
      missed.push(new ParticipantInfo({ sid, identity, version, state }));
    }
    return missed.reverse();
  }

  #accepts(info: ParticipantInfo): boolean {
    if (this.#stale(info) || this.#hiddenFrom(info)) return false;
    this.#remember(info);
    return true;
  }

  #stale(info: ParticipantInfo): boolean {
    const told = this.#told.get(info.sid);
    return told !== undefined && info.version < told.version;
  }

  #hiddenFrom(info: ParticipantInfo): boolean {
    return info.permission?.hidden === true && info.sid !== this.#self;
  }

  #remember(info: ParticipantInfo): void {
    const { sid, identity, version, state } = info;
    this.#told.delete(sid);
    this.#told.set(sid, { identity, version, state, at: this.#now() });
    if (this.#told.size <= REMEMBERED) return;
    const [oldest] = this.#told.keys();
    if (oldest !== undefined) this.#told.delete(oldest);
  }
}

/** Participants whose last told version is kept, per client; more cost memory, fewer let more stale updates through. */
const REMEMBERED = 128;
