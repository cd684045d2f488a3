import type { SignalTarget } from '@livekit/protocol';
import type { Codec, DownTrackWish, MediaKind, PeerId, WorkerId } from '../../media/commands.ts';
import type { MediaEngine } from '../../media/types.ts';
import type {
  Negotiation,
  NegotiationHost,
  NegotiationOptions,
  PublicationMatch,
  Subscription,
  SubscriptionRequest,
  UpTrackRef,
} from '../../negotiate/types.ts';

export class ScriptedSubscription implements Subscription {
  readonly trackSid: string;
  readonly request: SubscriptionRequest;
  wish: DownTrackWish;
  sources: UpTrackRef[];
  closed = false;

  constructor(request: SubscriptionRequest) {
    this.trackSid = request.trackSid;
    this.request = request;
    this.wish = request.wish;
    this.sources = request.sources;
  }

  setWish(wish: DownTrackWish): void {
    this.wish = wish;
  }

  setSources(sources: UpTrackRef[]): void {
    this.sources = sources;
  }

  close(): void {
    this.closed = true;
  }
}

/** A negotiation without SDP: a test says what the client offers, accepts and loses. */
export class ScriptedNegotiation implements Negotiation {
  readonly worker: WorkerId;
  readonly upPeers: PeerId[];
  readonly downPeer: PeerId;
  readonly subscriberPrimary: boolean;
  ready: Promise<void> = Promise.resolve();
  readonly options: NegotiationOptions;
  readonly host: NegotiationHost;
  readonly subscriptions: ScriptedSubscription[] = [];
  /** Offers and answers, restarts and the start, in order. */
  readonly calls: string[] = [];
  closed = false;
  readonly #engine: MediaEngine;

  constructor(engine: MediaEngine, host: NegotiationHost, options: NegotiationOptions) {
    this.#engine = engine;
    this.host = host;
    this.options = options;
    this.worker = options.worker;
    this.subscriberPrimary = options.subscriberPrimary;
    this.upPeers = [engine.nextPeer()];
    this.downPeer = engine.nextPeer();
  }

  /** The client offers a section for a track, and it is answered. */
  publish(
    section: { cid: string; kind: MediaKind; mid: string; rids?: string[] },
    codec: Codec,
  ): { match: PublicationMatch | undefined; source: UpTrackRef | undefined } {
    const { mid, kind, cid: trackCid, rids = [] } = section;
    const match = this.host.matchPublication({ mid, kind, trackCid, rids });
    if (match === undefined) return { match, source: undefined };
    const source: UpTrackRef = {
      track: this.#engine.nextUpTrack(),
      worker: this.worker,
      trackSid: match.trackSid,
      mid,
      kind,
      codec,
      payloads: [{ pt: 96, codec, clockRate: 90_000, channels: 0, fmtp: '' }],
      rids,
      encrypted: match.encrypted,
    };
    this.host.onPublished(source);
    return { match, source };
  }

  /** The live subscription to a track. */
  subscription(trackSid: string): ScriptedSubscription | undefined {
    return this.subscriptions.find((candidate) => candidate.trackSid === trackSid && !candidate.closed);
  }

  /** The primary transport comes up. */
  connect(pair = 'udp 192.0.2.1:7882 198.51.100.1:40000'): void {
    const primary = this.subscriberPrimary ? 'subscriber' : 'publisher';
    this.host.onIceState(primary, 'checking', null);
    this.host.onIceState(primary, 'connected', pair);
    this.host.onConnected(primary, true, { iceMs: 30, dtlsMs: 40 });
  }

  start(): void {
    this.calls.push('start');
  }

  async handleOffer(sdp: string, id: number): Promise<void> {
    this.calls.push(`offer ${id}`);
    if (sdp === 'unusable') throw new Error('unusable');
    this.host.sendAnswer(sdp, id, {});
  }

  async handleAnswer(_sdp: string, id: number): Promise<void> {
    this.calls.push(`answer ${id}`);
  }

  handleTrickle(candidateInit: string, _target: SignalTarget): void {
    JSON.parse(candidateInit);
  }

  subscribe(request: SubscriptionRequest): Subscription {
    const subscription = new ScriptedSubscription(request);
    this.subscriptions.push(subscription);
    return subscription;
  }

  rematch(): void {
    this.calls.push('rematch');
  }

  restartIce(): boolean {
    this.calls.push('restartIce');
    return !this.options.singlePc;
  }

  close(): void {
    this.closed = true;
  }
}
