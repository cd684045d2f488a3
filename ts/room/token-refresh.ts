import type { Background } from './background.ts';
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
  readonly #background: Background;
  /** Unix seconds. */
  readonly #originalExpiry: number;
  #timer: Timer | undefined;
  #latest = 0;

  constructor(setup: {
    clock: Clock;
    issue: IssueToken;
    participant: Participant;
    outbox: Outbox;
    background: Background;
    originalExpiry: number;
  }) {
    this.#clock = setup.clock;
    this.#issue = setup.issue;
    this.#participant = setup.participant;
    this.#outbox = setup.outbox;
    this.#background = setup.background;
    this.#originalExpiry = setup.originalExpiry;
  }

  /** Sends one now and then each 5 min. */
  start(): void {
    this.#timer ??= this.#clock.every(INTERVAL_MS, () => this.send());
    this.send();
  }

  send(): void {
    const turn = ++this.#latest;
    const remaining = this.#originalExpiry - Math.floor(this.#clock.now() / 1000);
    const ttlSeconds = Math.max(MIN_TTL_S, remaining);
    this.#background.run('refresh a token', async () => {
      const token = await this.#issue(this.#participant.claims, ttlSeconds);
      // One that was asked for later says more.
      if (turn === this.#latest) this.#outbox.send({ case: 'refreshToken', value: token });
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#latest = Number.MAX_SAFE_INTEGER;
  }
}

const INTERVAL_MS = 5 * 60_000;
/** A token that is about to expire gets this long again. */
const MIN_TTL_S = 600;
