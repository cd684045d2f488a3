/**
 * Tells a room's clients about changes of participants (livekit-facts 3.11): publishers and profile changes at once,
 * mere presence in batches.
 */

import { ParticipantInfo, ParticipantInfo_State } from '@livekit/protocol';
import type { Identity } from '../lib/ids.ts';
import { Announcements } from './announcements.ts';
import type { Clock, Timer } from './clock.ts';
import type { CloseReason } from './close-reason.ts';
import type { Participant } from './participant.ts';
import type { ParticipantFeed } from './participant-feed.ts';
import { sharedUpdates } from './shared-update.ts';

/** A client that is told. */
export interface UpdateReceiver {
  readonly participant: Participant;
  readonly feed: ParticipantFeed;
}

export interface UpdateRoster {
  receivers(): Iterable<UpdateReceiver>;
  /** The session that holds an identity now. */
  current(identity: Identity): Participant | undefined;
}

interface Change {
  info: ParticipantInfo;
  closeReason: CloseReason | undefined;
  /** Made up because another session of the identity takes over. */
  synthetic: boolean;
}

export class ParticipantUpdates {
  readonly announcements = new Announcements();
  readonly #clock: Clock;
  readonly #roster: UpdateRoster;
  /** Bytes per message at about which a batch is split. */
  readonly #targetSize: number;
  readonly #batch = new Map<Identity, Change>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, roster: UpdateRoster, targetSize: number) {
    this.#clock = clock;
    this.#roster = roster;
    this.#targetSize = targetSize;
  }

  /** `toSelf`: the participant hears of it at once even where others hear later or never. */
  publish(participant: Participant, self: ParticipantFeed, options: { immediate: boolean; toSelf: boolean }): void {
    if (this.#closed) return;
    const info = participant.info();
    const changes = participant.hidden ? [] : this.#due(participant, info, options.immediate);
    if (changes.length > 0) this.#send(changes);
    else if (options.toSelf) self.tell([info]);
  }

  /** What has to go out now; the rest waits for its batch. */
  #due(participant: Participant, info: ParticipantInfo, immediate: boolean): Change[] {
    const { identity } = participant;
    const current = this.#roster.current(identity);
    // What a replaced session still has to say would undo the news of the one that holds its identity.
    if (current !== undefined && current !== participant) {
      this.announcements.forget(participant.sid);
      return [];
    }
    const change: Change = { info, closeReason: participant.closeReason, synthetic: false };
    const queued = this.#batch.get(identity);
    const changes: Change[] = [];
    let now = immediate || info.isPublisher;
    if (queued !== undefined && queued.info.sid !== info.sid) {
      // Another session has taken the identity: that the old one ended must not come after the news of the new one.
      now = true;
      const ended = new ParticipantInfo({ ...queued.info, state: ParticipantInfo_State.DISCONNECTED });
      changes.push({ ...queued, info: ended, synthetic: true });
    }
    if (!now) {
      this.#batch.set(identity, change);
      this.#timer ??= this.#clock.after(BATCH_INTERVAL_MS, () => this.#flush());
      return [];
    }
    this.#batch.delete(identity);
    return [...changes, change];
  }

  #flush(): void {
    this.#timer = undefined;
    const changes = [...this.#batch.values()];
    this.#batch.clear();
    if (changes.length > 0) this.#send(changes);
  }

  #send(changes: Change[]): void {
    const all = sharedUpdates(infosOf(changes), this.#targetSize);
    const real = changes.filter((change) => !replaced(change));
    // Clients that follow identities need not be told that a session ended where another goes on.
    const byIdentity = real.length === changes.length ? all : sharedUpdates(infosOf(real), this.#targetSize);
    for (const { participant, feed } of this.#roster.receivers()) {
      const updates = participant.gates.identityReconnect ? byIdentity : all;
      for (const update of updates) feed.tellShared(update);
    }
    const now = this.#clock.now();
    for (const change of changes) this.announcements.add(change.info, now, replaced(change));
  }

  /** The room ends: nobody needs to hear who leaves it. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#batch.clear();
  }
}

function infosOf(changes: readonly Change[]): ParticipantInfo[] {
  return changes.map(({ info }) => info);
}

function replaced({ synthetic, closeReason }: Change): boolean {
  return synthetic || closeReason === 'duplicateIdentity';
}

/** How long a change of mere presence may wait; longer saves messages in rooms where many come and go. */
const BATCH_INTERVAL_MS = 3000;
