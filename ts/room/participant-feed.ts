import { type ParticipantInfo, ParticipantUpdate } from '@livekit/protocol';
import type { ParticipantSid } from '../lib/ids.ts';
import type { Announcements } from './announcements.ts';
import type { Outbox } from './outbox.ts';
import type { SharedUpdate } from './shared-update.ts';

/**
 * What one client is told about the participants of its room. Nothing is told before the join response, stale versions
 * never are, and hidden participants are told to nobody but themselves.
 */
export class ParticipantFeed {
  readonly #self: ParticipantSid;
  readonly #outbox: Outbox;
  readonly #announcements: Announcements;
  /** Versions by sid that this client alone was told, ahead of everybody; least recently told first. */
  readonly #ahead = new Map<string, number>();
  #queue: ParticipantInfo[] | undefined = [];

  constructor(self: ParticipantSid, outbox: Outbox, announcements: Announcements) {
    this.#self = self;
    this.#outbox = outbox;
    this.#announcements = announcements;
  }

  /** The join response is out, with everybody as of now; what came in before may be older, and is told now. */
  open(): void {
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

  /** An update to everybody: sent as it is unless this client must not see all of it. */
  tellShared({ message, infos }: SharedUpdate): void {
    if (this.#queue !== undefined || this.#overtook(infos)) this.tell(infos);
    else this.#outbox.sendShared(message);
  }

  /** Tells about a participant unless this version, or a later one, was told: its media must not come first. */
  ensureTold(info: ParticipantInfo): void {
    if (this.#queue !== undefined) return;
    if (this.#told(info.sid) < info.version) this.tell([info]);
  }

  /** Whether any of what everybody is told now is older than what this client knows; what catches up is let go. */
  #overtook(infos: readonly ParticipantInfo[]): boolean {
    if (this.#ahead.size === 0) return false;
    let overtook = false;
    for (const { sid, version } of infos) {
      const told = this.#ahead.get(sid);
      if (told === undefined) continue;
      if (told > version) overtook = true;
      else this.#ahead.delete(sid);
    }
    return overtook;
  }

  #accepts(info: ParticipantInfo): boolean {
    if (info.version < this.#told(info.sid) || this.#hiddenFrom(info)) return false;
    this.#remember(info);
    return true;
  }

  #told(sid: string): number {
    return Math.max(this.#ahead.get(sid) ?? 0, this.#announcements.version(sid));
  }

  #hiddenFrom(info: ParticipantInfo): boolean {
    return info.permission?.hidden === true && info.sid !== this.#self;
  }

  #remember({ sid, version }: ParticipantInfo): void {
    if (version <= this.#announcements.version(sid)) return;
    this.#ahead.delete(sid);
    this.#ahead.set(sid, version);
    if (this.#ahead.size <= REMEMBERED) return;
    const [oldest] = this.#ahead.keys();
    if (oldest !== undefined) this.#ahead.delete(oldest);
  }
}

/** Participants whose version is kept per client beyond what everybody knows; more cost memory, fewer let stale updates through. */
const REMEMBERED = 128;
