/**
 * One subscription on its way to a section and back.
 *
 *     waiting ──attach──▶ attached ──answered──▶ sending
 *        ▲                    │                     │
 *        └──── new sources ───┴──── unsupported ────┴──▶ closed
 */

import { randomInt } from 'node:crypto';
import type { Codec, DownTrackId, DownTrackWish, PayloadMap, UpSsrc } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import { codecOf, mapPayloads } from './codecs.ts';
import type { SdpCodec } from './sdp.ts';
import type { Transport } from './transport.ts';
import type { NegotiationHost, Subscription, SubscriptionRequest, UpTrackRef } from './types.ts';

/** Tells the session that its description has to change. */
export type Renegotiate = () => void;

type State =
  | { name: 'waiting' }
  | { name: 'attached'; mid: string }
  | { name: 'sending'; mid: string; down: DownTrackId; source: UpTrackRef; payloads: PayloadMap[] }
  | { name: 'unsupported' }
  | { name: 'closed' };

export class Sender implements Subscription {
  readonly trackSid: string;
  readonly request: SubscriptionRequest;
  #state: State = { name: 'waiting' };
  #wish: DownTrackWish;
  #sources: UpTrackRef[];
  /** Never used for two subscriptions: sequence numbers start anew and a GCM nonce must not come back. */
  #ssrcs: UpSsrc;
  readonly #engine: MediaEngine;
  readonly #host: NegotiationHost;
  readonly #transport: Transport;
  readonly #renegotiate: Renegotiate;

  constructor(
    engine: MediaEngine,
    host: NegotiationHost,
    transport: Transport,
    request: SubscriptionRequest,
    renegotiate: Renegotiate,
  ) {
    this.#engine = engine;
    this.#host = host;
    this.#transport = transport;
    this.#renegotiate = renegotiate;
    this.request = request;
    this.trackSid = request.trackSid;
    this.#wish = request.wish;
    this.#sources = request.sources;
    this.#ssrcs = freshSsrcs(request);
  }

  get ssrcs(): UpSsrc {
    return this.#ssrcs;
  }

  get closed(): boolean {
    return this.#state.name === 'closed';
  }

  /** The section it is on, if it has one. */
  get mid(): string | undefined {
    return this.#state.name === 'attached' || this.#state.name === 'sending' ? this.#state.mid : undefined;
  }

  /** True while it needs a section. */
  get waiting(): boolean {
    return this.#state.name === 'waiting';
  }

  get preferredCodec(): Codec | undefined {
    return this.#sources[0]?.codec;
  }

  attach(mid: string): void {
    if (this.#state.name === 'waiting') this.#state = { name: 'attached', mid };
  }

  /** Its section is gone: it needs another. */
  detach(): void {
    if (this.mid === undefined) return;
    this.#stopSending();
    this.#ssrcs = freshSsrcs(this.request);
    this.#state = { name: 'waiting' };
  }

  /** The codecs both sides agreed on for the section: starts to send, or learns that it can't. */
  negotiated(accepted: SdpCodec[]): void {
    if (this.#state.name !== 'attached') return;
    const { mid } = this.#state;
    const chosen = choose(this.#sources, accepted);
    if (chosen === undefined) {
      this.#state = { name: 'unsupported' };
      this.#host.onSubscriptionUnsupported(this.trackSid);
      this.#renegotiate();
      return;
    }
    const down = this.#engine.nextDownTrack();
    this.#state = { name: 'sending', mid, down, ...chosen };
    this.#engine.onDownTrack(down, {
      event: () => this.#host.onSubscriptionStarted(this.trackSid),
      quality: (quality) => this.#host.onSubscriptionQuality(this.trackSid, quality),
    });
    this.#transport.send({
      type: 'openDownTrack',
      down,
      peer: this.#transport.peer,
      track: chosen.source.track,
      home: chosen.source.worker,
      kind: this.request.kind,
      mid,
      cname: this.request.streamId,
      ssrc: this.#ssrcs.ssrc,
      rtxSsrc: this.#ssrcs.rtx,
      payloads: chosen.payloads,
      nack: acceptsNack(accepted, chosen.payloads),
      encrypted: chosen.source.encrypted,
      ...this.#wish,
    });
    this.#host.onSubscribed(this.trackSid, chosen.source.codec);
  }

  setWish(wish: DownTrackWish): void {
    this.#wish = wish;
    if (this.#state.name === 'sending') this.#transport.send({ type: 'setDownTrack', down: this.#state.down, ...wish });
  }

  setSources(sources: UpTrackRef[]): void {
    this.#sources = sources;
    if (this.#state.name === 'unsupported') {
      this.#state = { name: 'waiting' };
      this.#renegotiate();
    } else if (this.#state.name === 'sending' && !sources.some((source) => sameSource(source, this.#state))) {
      const { mid } = this.#state;
      this.#stopSending();
      this.#ssrcs = freshSsrcs(this.request);
      this.#state = { name: 'attached', mid };
      this.#renegotiate();
    }
  }

  close(): void {
    if (this.#state.name === 'closed') return;
    const held = this.mid !== undefined;
    this.#stopSending();
    this.#state = { name: 'closed' };
    if (held) this.#renegotiate();
  }

  #stopSending(): void {
    if (this.#state.name !== 'sending') return;
    this.#engine.onDownTrack(this.#state.down, undefined);
    this.#transport.send({ type: 'closeDownTrack', down: this.#state.down });
  }
}

function sameSource(source: UpTrackRef, state: State): boolean {
  return (
    state.name === 'sending' &&
    source.track === state.source.track &&
    JSON.stringify(source.payloads) === JSON.stringify(state.source.payloads)
  );
}

function choose(
  sources: UpTrackRef[],
  accepted: SdpCodec[],
): { source: UpTrackRef; payloads: PayloadMap[] } | undefined {
  for (const source of sources) {
    const payloads = mapPayloads(source.payloads, source.codec, accepted);
    if (payloads !== undefined) return { source, payloads };
  }
  return undefined;
}

/** Audio that may go out as RED repairs itself; everything else does so where the subscriber said `nack`. */
function acceptsNack(accepted: SdpCodec[], payloads: PayloadMap[]): boolean {
  const used = accepted.filter((codec) => payloads.some((map) => map.to === codec.pt));
  if (used.some((codec) => codecOf(codec.name) === 'red')) return false;
  return used.some((codec) => codec.feedback.includes('nack'));
}

function freshSsrcs(request: SubscriptionRequest): UpSsrc {
  return { ssrc: randomSsrc(), rtx: request.kind === 'video' ? randomSsrc() : null };
}

function randomSsrc(): number {
  return randomInt(1, 0xffffffff);
}
