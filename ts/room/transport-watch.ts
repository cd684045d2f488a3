/**
 * What becomes of one transport: the pair it uses, and whether it fails in time or later (livekit-facts 4.1).
 *
 *     idle ──checking──▶ searching ──ICE──▶ shaking hands ──DTLS──▶ standing
 *                            │ in time?          │ in time?            │ ICE failed
 *                            └──────────────▶  failed  ◀───────────────┘
 *
 * The clocks start once per attempt; a restart after a failure that the client reported is a new attempt.
 */

import type { ConnectTimes } from '../negotiate/types.ts';
import type { Clock, Timer } from './clock.ts';
import type { UsedPath } from './fallback.ts';
import { type Pair, usedPath } from './transport-path.ts';

export interface WatchOptions {
  clock: Clock;
  /** Only TCP candidates are in play, which connect soon or not at all. */
  tcpOnly: () => boolean;
  signalRttMs: () => number | undefined;
  /** `short`: it had not stood for long. */
  failed: (reason: WatchFailure, short: boolean) => void;
}

export type WatchFailure = 'iceFailed' | 'tcpTimeout' | 'dtlsTimeout';

export class TransportWatch {
  readonly #options: WatchOptions;
  #startedAt: number | undefined;
  #iceAt: number | undefined;
  #times: ConnectTimes | undefined;
  #timer: Timer | undefined;
  #pair: Pair | undefined;
  /** Since the last restart; kept when the pair is lost. */
  #used: UsedPath;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** The pair in use. */
  get standing(): Pair | undefined {
    return this.#pair;
  }

  get used(): UsedPath {
    return this.#used;
  }

  /** How long ICE and DTLS took; undefined while they have not stood yet. */
  get times(): ConnectTimes | undefined {
    return this.#times;
  }

  /** True where it stood, and not for long. */
  get short(): boolean {
    return this.#iceAt !== undefined && this.#options.clock.now() - this.#iceAt < SHORT_MS;
  }

  /** True at the beginning of an attempt. */
  checking(): boolean {
    if (this.#startedAt !== undefined) return false;
    this.#startedAt = this.#options.clock.now();
    const rtt = this.#options.signalRttMs() ?? 0;
    // A signal connection as slow as that says nothing of how fast another one ought to be.
    if (this.#options.tcpOnly() && rtt < SLOW_SIGNAL_MS) {
      this.#await(clamp(8 * rtt, LEAST_TCP_MS, MOST_TCP_MS), 'tcpTimeout');
    }
    return true;
  }

  /** ICE found a pair. True for the first of an attempt. */
  connected(): boolean {
    if (this.#iceAt !== undefined) return false;
    const now = this.#options.clock.now();
    this.#iceAt = now;
    this.#timer?.cancel();
    if (this.#times === undefined) {
      const iceMs = now - (this.#startedAt ?? now);
      this.#await(clamp(3 * iceMs, LEAST_DTLS_MS, MOST_DTLS_MS), 'dtlsTimeout');
    }
    return true;
  }

  established(times: ConnectTimes): void {
    this.#timer?.cancel();
    this.#times = times;
  }

  /** Media goes along this pair from now on; undefined where there is none any more. */
  setPair(pair: Pair | undefined): void {
    this.#pair = pair;
    if (pair !== undefined) this.#used = usedPath(pair.via);
  }

  iceFailed(): void {
    this.#timer?.cancel();
    this.#options.failed('iceFailed', this.short);
  }

  /** New credentials; a pair that stands goes on meanwhile. `anew`: the attempt begins from scratch. */
  restarted(anew: boolean): void {
    if (this.#pair === undefined) this.#used = undefined;
    if (!anew) return;
    this.#timer?.cancel();
    this.#startedAt = undefined;
    this.#iceAt = undefined;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #await(ms: number, reason: WatchFailure): void {
    // What never stood under TCP alone counts as short: waiting longer helps nobody.
    this.#timer = this.#options.clock.after(ms, () =>
      this.#options.failed(reason, reason === 'tcpTimeout' || this.short),
    );
  }
}

function clamp(ms: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, ms));
}

/** A connection that ends before this was not worth having. */
const SHORT_MS = 90_000;
const SLOW_SIGNAL_MS = 1_000;
/** Clients give up on a first connection after 15 s. */
const LEAST_TCP_MS = 5_000;
const MOST_TCP_MS = 12_000;
const LEAST_DTLS_MS = 10_000;
const MOST_DTLS_MS = 20_000;
