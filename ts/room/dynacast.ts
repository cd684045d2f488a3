/**
 * Tells a publisher which qualities anybody wants (livekit-facts 3.11, 4.13), per codec.
 *
 *     announced ──first demand, or 10 s──▶ reported ──▶ upgrades at once, downgrades after the pause delay
 *
 * While the track is muted nothing is sent; what was decided meanwhile goes out when it is unmuted.
 */

import { VideoQuality } from '@livekit/protocol';
import type { Codec } from '../media/commands.ts';
import type { Clock, Timer } from './clock.ts';

/** The best quality wanted of a codec; OFF for none. */
export interface CodecDemand {
  codec: Codec;
  quality: VideoQuality;
}

export class Dynacast {
  readonly #clock: Clock;
  readonly #pauseDelayMs: number;
  readonly #send: (demands: CodecDemand[]) => void;
  /** Codecs whose first report is still withheld, with what ends that. */
  readonly #withheld = new Map<Codec, Timer>();
  readonly #wanted = new Map<string, CodecDemand>();
  #codecs: Codec[] = [];
  #committed = new Map<Codec, VideoQuality>();
  #downgrade: Timer | undefined;
  #muted: boolean;
  #closed = false;

  constructor(clock: Clock, pauseDelayMs: number, muted: boolean, send: (demands: CodecDemand[]) => void) {
    this.#clock = clock;
    this.#pauseDelayMs = pauseDelayMs;
    this.#muted = muted;
    this.#send = send;
  }

  /** The track is, or may be, published in this codec. */
  addCodec(codec: Codec): void {
    if (this.#closed || this.#codecs.includes(codec)) return;
    this.#codecs.push(codec);
    this.#withhold(codec);
  }

  removeCodec(codec: Codec): void {
    this.#codecs = this.#codecs.filter((other) => other !== codec);
    this.#withheld.get(codec)?.cancel();
    this.#withheld.delete(codec);
    this.#update(false);
  }

  /** What one subscriber wants; replaces what it wanted before, in whichever codec. */
  setDemand(subscriber: string, demand: CodecDemand): void {
    if (this.#closed) return;
    this.addCodec(demand.codec);
    if (demand.quality === VideoQuality.OFF) this.#wanted.delete(subscriber);
    else this.#wanted.set(subscriber, demand);
    this.#reveal(demand.codec);
    this.#update(false);
  }

  dropDemand(subscriber: string): void {
    const demand = this.#wanted.get(subscriber);
    this.#wanted.delete(subscriber);
    if (demand !== undefined) this.#update(false);
  }

  setMuted(muted: boolean): void {
    if (muted === this.#muted) return;
    this.#muted = muted;
    if (!muted) this.#update(true);
  }

  /** The publisher resumed and may have lost what was sent: everything is sent again. */
  restart(): void {
    if (this.#closed) return;
    this.#committed.clear();
    for (const codec of this.#codecs) this.#withhold(codec);
    if (this.#wanted.size > 0) {
      for (const { codec } of this.#wanted.values()) this.#reveal(codec);
      this.#update(true);
    }
  }

  #withhold(codec: Codec): void {
    this.#withheld.get(codec)?.cancel();
    const timer = this.#clock.after(FIRST_REPORT_MS, () => {
      this.#reveal(codec);
      this.#update(true);
    });
    this.#withheld.set(codec, timer);
  }

  #reveal(codec: Codec): void {
    this.#withheld.get(codec)?.cancel();
    this.#withheld.delete(codec);
  }

  #update(force: boolean): void {
    const next = this.#demands();
    if (this.#closed || next.size === 0) return;
    if (!force) {
      const change = compare(this.#committed, next);
      if (change === 'same') return;
      if (change === 'downgrade' && this.#pauseDelayMs > 0) {
        this.#downgrade ??= this.#clock.after(this.#pauseDelayMs, () => this.#update(true));
        return;
      }
    }
    this.#downgrade?.cancel();
    this.#downgrade = undefined;
    this.#committed = next;
    if (this.#muted) return;
    this.#send([...next].map(([codec, quality]) => ({ codec, quality })));
  }

  /** Best wanted quality of each codec that is reported at all. */
  #demands(): Map<Codec, VideoQuality> {
    const demands = new Map<Codec, VideoQuality>();
    for (const codec of this.#codecs) if (!this.#withheld.has(codec)) demands.set(codec, VideoQuality.OFF);
    for (const { codec, quality } of this.#wanted.values()) {
      const best = demands.get(codec);
      if (best !== undefined && rank(quality) > rank(best)) demands.set(codec, quality);
    }
    return demands;
  }

  close(): void {
    this.#closed = true;
    this.#downgrade?.cancel();
    for (const timer of this.#withheld.values()) timer.cancel();
    this.#withheld.clear();
    this.#wanted.clear();
  }
}

function compare(
  before: ReadonlyMap<Codec, VideoQuality>,
  after: ReadonlyMap<Codec, VideoQuality>,
): 'same' | 'downgrade' | 'change' {
  if (before.size !== after.size) return 'change';
  let result: 'same' | 'downgrade' = 'same';
  for (const [codec, quality] of after) {
    const former = before.get(codec);
    if (former === undefined || rank(quality) > rank(former)) return 'change';
    if (quality !== former) result = 'downgrade';
  }
  return result;
}

/** OFF is the highest number on the wire and the lowest wish. */
const rank = (quality: VideoQuality): number => (quality === VideoQuality.OFF ? -1 : quality);

/** A publisher keeps all qualities up this long for subscribers to come. */
const FIRST_REPORT_MS = 10_000;
