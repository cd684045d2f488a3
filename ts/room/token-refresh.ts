import type { Clock, Timer } from './clock.ts';
import type { IssueToken } from './context.ts';
import type { Outbox } from './outbox.ts';
import type { Participant } from './participant.ts';

/** Keeps a client supplied with a token that says what it may do now: clients come back with it (livekit-facts 2.4). */
export class TokenRefresh {
  readonly #clock: Clock;
  readonly #issue: IssueToken;
  readonly #participant: Participant;
  readonly #outbox: Outbox;
  /** Unix seconds. */
  readonly #originalExpiry: number;
  #timer: Timer | undefined;
  #closed = false;

  constructor(setup: {
    clock: Clock;
    issue: IssueToken;
    participant: Participant;
    outbox: Outbox;
    originalExpiry: number;
  }) {
    this.#clock = setup.clock;
    this.#issue = setup.issue;
    this.#participant = setup.participant;
    this.#outbox = setup.outbox;
    this.#originalExpiry = setup.originalExpiry;
  }

  /** Sends one now and then each 5 min. */
  start(): void {
    this.#timer ??= this.#clock.every(INTERVAL_MS, () => this.send());
    this.send();
  }

  send(): void {
    if (this.#closed) return;
    const remaining = this.#originalExpiry - Math.floor(this.#clock.now() / 1000);
    const ttlSeconds = Math.max(MIN_TTL_S, remaining);
    this.#outbox.send({ case: 'refreshToken', value: this.#issue(this.#participant.claims, ttlSeconds) });
  }

  close(): void {
    this.#timer?.cancel();
    this.#closed = true;
  }
}

const INTERVAL_MS = 5 * 60_000;
/** A token that is about to expire gets this long again. */
const MIN_TTL_S = 600;
