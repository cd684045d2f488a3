/** How rooms and participants come and go, under livekit-server's names (livekit-facts 10). Told by rooms. */

import { Counter, Histogram, type Metric } from 'prom-client';

/** How far somebody came on the way in. */
export type JoinState =
  | 'signal_connected'
  | 'signal_failed'
  | 'signal_validation_failed'
  | 'rtc_init'
  | 'rtc_connected'
  | 'rtc_active'
  | 'rtc_success'
  | 'rtc_canceled'
  | 'rtc_failure';

/** Since the start of the node; what nodes tell each other of themselves. */
export interface JoinCounts {
  signalConnected: number;
  rtcInit: number;
  rtcConnected: number;
  rtcActive: number;
  rtcCanceled: number;
}

export class SessionMetrics {
  readonly counts: JoinCounts = { signalConnected: 0, rtcInit: 0, rtcConnected: 0, rtcActive: 0, rtcCanceled: 0 };
  readonly #joins = new Counter({
    name: 'livekit_participant_join_total',
    help: 'Participants by how far they came: signal_* is the connection, rtc_* the session behind it',
    labelNames: ['state', 'warp'],
    registers: [],
  });
  readonly #joinLatency = new Histogram({
    name: 'livekit_session_join_latency_ms',
    help: 'From the request to join to the join response',
    labelNames: ['protocol_version'],
    buckets: exponential(10, 10_000, 15),
    registers: [],
  });
  readonly #startTime = new Histogram({
    name: 'livekit_session_start_time_ms',
    help: 'From the request to join to the first connected transport',
    labelNames: ['protocol_version', 'warp'],
    buckets: exponential(100, 10_000, 15),
    registers: [],
  });
  readonly #duration = new Histogram({
    name: 'livekit_session_duration_ms',
    help: 'How long participants that connected stayed',
    labelNames: ['protocol_version'],
    buckets: exponential(100, 4 * 60 * 60 * 1000, 15),
    registers: [],
  });
  readonly #rooms = new Histogram({
    name: 'livekit_room_duration_seconds',
    help: 'How long rooms lasted on this node',
    buckets: [5, 10, 60, 300, 600, 1800, 3600, 7200, 18_000, 36_000],
    registers: [],
  });

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [this.#joins, this.#joinLatency, this.#startTime, this.#duration, this.#rooms];
  }

  reached(state: JoinState): void {
    const key = COUNTED[state];
    if (key !== undefined) this.counts[key] += 1;
    // livekit-server's second way of connecting, which is not built here, is told apart by this label.
    const warp = WARP_STATES.has(state) ? 'false' : '';
    this.#joins.inc({ state, warp });
  }

  /** Durations here and below in milliseconds. */
  joined(protocol: number, latency: number): void {
    this.#joinLatency.observe({ protocol_version: protocol }, latency);
  }

  started(protocol: number, latency: number): void {
    this.#startTime.observe({ protocol_version: protocol, warp: 'false' }, latency);
  }

  ended(protocol: number, duration: number): void {
    this.#duration.observe({ protocol_version: protocol }, duration);
  }

  roomEnded(duration: number): void {
    this.#rooms.observe(duration / 1000);
  }
}

const COUNTED: Partial<Record<JoinState, keyof JoinCounts>> = {
  signal_connected: 'signalConnected',
  rtc_init: 'rtcInit',
  rtc_connected: 'rtcConnected',
  rtc_active: 'rtcActive',
  rtc_canceled: 'rtcCanceled',
};

const WARP_STATES: ReadonlySet<JoinState> = new Set(['rtc_active', 'rtc_success', 'rtc_canceled', 'rtc_failure']);

/** `count` bounds from `first` to `last`, each the same multiple of the one before. */
function exponential(first: number, last: number, count: number): number[] {
  const factor = (last / first) ** (1 / (count - 1));
  return Array.from({ length: count }, (_, index) => first * factor ** index);
}
