/** Tracks and subscriptions, how soon they come about and how well they arrive, under livekit-server's names
 * (livekit-facts 10). Told by rooms. */

import { ClientInfo_SDK, ParticipantInfo_Kind, TrackSource, TrackType } from '@livekit/protocol';
import { Counter, Gauge, Histogram, type Metric } from 'prom-client';

/** Of a track's media as the server sees it. */
export type Direction = 'incoming' | 'outgoing';

export interface TrackKind {
  source: TrackSource;
  type: TrackType;
}

/** What came of a stream in a window of 5 s. */
export interface StreamWindow {
  expected: number;
  received: number;
  /** Overtaken by others. */
  late: number;
  jitterUs: number;
}

/** Whom it took how long. */
export interface StartOf {
  track: TrackKind;
  sdk: ClientInfo_SDK;
  kind: ParticipantInfo_Kind;
  /** Milliseconds. */
  took: number;
}

/** Since the start of the node; what nodes tell each other of themselves. */
export interface TrackCounts {
  publishAttempts: number;
  publishSuccess: number;
  publishCancels: number;
  subscribeAttempts: number;
  subscribeSuccess: number;
  subscribeCancels: number;
}

export class TrackMetrics {
  readonly counts: TrackCounts = {
    publishAttempts: 0,
    publishSuccess: 0,
    publishCancels: 0,
    subscribeAttempts: 0,
    subscribeSuccess: 0,
    subscribeCancels: 0,
  };
  readonly #published = new Gauge({
    name: 'livekit_track_published_total',
    help: 'Published tracks',
    labelNames: ['kind'],
    registers: [],
  });
  readonly #subscribed = new Gauge({
    name: 'livekit_track_subscribed_total',
    help: 'Subscriptions to tracks',
    labelNames: ['kind'],
    registers: [],
  });
  readonly #publishing = new Counter({
    name: 'livekit_track_publish_counter',
    help: 'Tracks by how far they came: attempt when announced, success with the first description, or cancel',
    labelNames: ['kind', 'state'],
    registers: [],
  });
  readonly #subscribing = new Counter({
    name: 'livekit_track_subscribe_counter',
    help: 'Subscriptions by how far they came: attempt, success, cancel, or failure with the error',
    labelNames: ['state', 'error'],
    registers: [],
  });
  readonly #startTime = new Histogram({
    name: 'livekit_pubsubtime_ms',
    help: 'From announcing a track to its publication, and from wanting it to its description',
    labelNames: ['direction', 'source', 'type', 'country', 'sdk', 'kind', 'count'],
    buckets: [100, 200, 500, 700, 1000, 5000, 10_000],
    registers: [],
  });
  readonly #lossTotal = new Counter(stream('livekit_packet_loss_total', 'Packets lost'));
  readonly #loss = new Histogram({
    ...stream('livekit_packet_loss_percent', 'Share of packets lost in windows of 5 s'),
    buckets: PERCENT,
  });
  readonly #lateTotal = new Counter(stream('livekit_packet_out_of_order_total', 'Packets overtaken by others'));
  readonly #late = new Histogram({
    ...stream('livekit_packet_out_of_order_percent', 'Share of packets overtaken in windows of 5 s'),
    buckets: PERCENT,
  });
  readonly #jitter = new Histogram({
    ...stream('livekit_jitter_us', 'Largest jitter of windows of 5 s'),
    buckets: [1e3, 1e4, 3e4, 5e4, 7e4, 1e5, 3e5, 6e5, 1e6],
  });
  readonly #rtt = new Histogram({
    ...stream('livekit_rtt_ms', 'Round trips to subscribers'),
    buckets: [50, 100, 150, 200, 250, 500, 750, 1000, 5000, 10_000],
  });
  readonly #rating = new Histogram({
    name: 'livekit_quality_rating',
    help: 'Connection quality as told to participants: 0 poor, 1 good, 2 excellent',
    buckets: [0, 1, 2],
    registers: [],
  });
  readonly #score = new Histogram({
    name: 'livekit_quality_score',
    help: 'Connection quality as a mean opinion score',
    buckets: [1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5],
    registers: [],
  });

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [
      this.#published,
      this.#subscribed,
      this.#publishing,
      this.#subscribing,
      this.#startTime,
      this.#lossTotal,
      this.#loss,
      this.#lateTotal,
      this.#late,
      this.#jitter,
      this.#rtt,
      this.#rating,
      this.#score,
    ];
  }

  announced(type: TrackType): void {
    this.counts.publishAttempts += 1;
    this.#publishing.inc({ kind: nameOf(TrackType, type), state: 'attempt' });
  }

  published(start: StartOf): void {
    const kind = nameOf(TrackType, start.track.type);
    this.counts.publishSuccess += 1;
    this.#publishing.inc({ kind, state: 'success' });
    this.#published.inc({ kind });
    this.#startTime.observe(startLabels('publish', start), start.took);
  }

  unpublished(type: TrackType): void {
    this.#published.dec({ kind: nameOf(TrackType, type) });
  }

  /** Announced, and never published. */
  publishCanceled(type: TrackType): void {
    this.counts.publishCancels += 1;
    this.#publishing.inc({ kind: nameOf(TrackType, type), state: 'cancel' });
  }

  subscribeAttempted(): void {
    this.counts.subscribeAttempts += 1;
    this.#subscribing.inc({ state: 'attempt', error: '' });
  }

  subscribed(start: StartOf): void {
    this.counts.subscribeSuccess += 1;
    this.#subscribing.inc({ state: 'success', error: '' });
    this.#subscribed.inc({ kind: nameOf(TrackType, start.track.type) });
    this.#startTime.observe(startLabels('subscribe', start), start.took);
  }

  unsubscribed(type: TrackType): void {
    this.#subscribed.dec({ kind: nameOf(TrackType, type) });
  }

  subscribeFailed(error: string): void {
    this.#subscribing.inc({ state: 'failure', error });
  }

  /** Not wanted any more before it came about. */
  subscribeCanceled(): void {
    this.counts.subscribeCancels += 1;
    this.#subscribing.inc({ state: 'cancel', error: '' });
  }

  /** A window of a stream ended; `rttMs` 0 where it is not known. */
  arrived(direction: Direction, { source, type }: TrackKind, window: StreamWindow, rttMs: number): void {
    const labels = {
      direction,
      source: nameOf(TrackSource, source),
      type: nameOf(TrackType, type),
      country: '',
    };
    const lost = Math.max(0, window.expected - window.received);
    if (window.expected > 0) {
      this.#loss.observe(labels, (lost / window.expected) * 100);
      this.#late.observe(labels, (window.late / window.expected) * 100);
    }
    if (lost > 0) this.#lossTotal.inc(labels, lost);
    if (window.late > 0) this.#lateTotal.inc(labels, window.late);
    if (window.jitterUs > 0) this.#jitter.observe(labels, window.jitterUs);
    if (rttMs > 0) this.#rtt.observe(labels, rttMs);
  }

  /** What a participant was found to have; `score` 1 to 4.5. */
  judged(rating: number, score: number): void {
    this.#rating.observe(rating);
    this.#score.observe(score);
  }
}

function startLabels(direction: string, { track, sdk, kind }: StartOf): Record<string, string> {
  return {
    direction,
    source: nameOf(TrackSource, track.source),
    type: nameOf(TrackType, track.type),
    country: '',
    sdk: nameOf(ClientInfo_SDK, sdk),
    kind: nameOf(ParticipantInfo_Kind, kind),
    count: '1',
  };
}

function nameOf(names: Readonly<Record<number, string>>, value: number): string {
  return names[value] ?? String(value);
}

function stream(name: string, help: string) {
  return { name, help, labelNames: ['direction', 'source', 'type', 'country'], registers: [] };
}

const PERCENT = [0, 0.1, 0.3, 0.5, 0.7, 1, 5, 10, 40, 100];
