import { VideoQuality } from '@livekit/protocol';
import type { Codec } from '../media/commands.ts';
import type { Subscription } from '../negotiate/types.ts';
import type { Clock, Timer } from './clock.ts';
import { qualityOfSpatial } from './layers.ts';
import { mimeOfCodec } from './mime.ts';
import type { Publication, PublicationSubscriber, Score } from './publication.ts';
import type { StreamStates } from './stream-states.ts';
import { defaultSettings, sameSettings, type TrackSettings, wishOf } from './track-settings.ts';

export interface TrackSubscriptionSetup {
  clock: Clock;
  subscriberSid: string;
  adaptiveStream: boolean;
  streamStates: StreamStates;
  /** It was bound to a codec, and is no more. */
  onUnbound: (publication: Publication) => void;
  /** The track ended. */
  onEnded: (subscription: TrackSubscription, publication: Publication) => void;
}

type State =
  | { name: 'idle' }
  | { name: 'live'; publication: Publication; handle: Subscription; since: number; codec: Codec | undefined };

/**
 * One track as one participant wants it and gets it. Wanting survives what stands in the way; `Subscriptions` closes
 * the gap.
 */
export class TrackSubscription implements PublicationSubscriber {
  readonly trackSid: string;
  readonly #setup: TrackSubscriptionSetup;
  #settings: TrackSettings | undefined;
  #state: State = { name: 'idle' };
  #debounce: Timer | undefined;
  #desiredSince: number | undefined;
  #score: Score | undefined;
  /** What the subscriber was last told about the publisher's permission. */
  permission: boolean | undefined;
  /** The subscriber was told that it does not work. */
  failed = false;

  constructor(trackSid: string, setup: TrackSubscriptionSetup) {
    this.trackSid = trackSid;
    this.#setup = setup;
  }

  get desired(): boolean {
    return this.#desiredSince !== undefined;
  }

  /** When it was wanted, or when what stood in the way went. */
  get desiredSince(): number | undefined {
    return this.#desiredSince;
  }

  setDesired(desired: boolean): void {
    if (desired === this.desired) return;
    this.#desiredSince = desired ? this.#setup.clock.now() : undefined;
    this.failed = false;
  }

  restartPatience(): void {
    if (this.desired) this.#desiredSince = this.#setup.clock.now();
  }

  get live(): boolean {
    return this.#state.name === 'live';
  }

  get publication(): Publication | undefined {
    return this.#state.name === 'live' ? this.#state.publication : undefined;
  }

  /** Live, and the client agreed to a codec. */
  get bound(): boolean {
    return this.#state.name === 'live' && this.#state.codec !== undefined;
  }

  /** When it went live; undefined while it is not. */
  get liveSince(): number | undefined {
    return this.#state.name === 'live' ? this.#state.since : undefined;
  }

  get settings(): TrackSettings {
    return this.#settings ?? defaultSettings(this.#setup.adaptiveStream);
  }

  /** Undefined while there is nothing to judge. */
  get score(): Score | undefined {
    if (this.#state.name !== 'live' || this.#state.publication.muted || this.settings.disabled) return undefined;
    return this.#score;
  }

  setScore(score: Score): void {
    this.#score = score;
  }

  /** Showing what was hidden is urgent, anything else waits for the next change to come. */
  setSettings(settings: TrackSettings): void {
    const former = this.settings;
    if (this.#settings !== undefined && sameSettings(this.#settings, settings)) return;
    this.#settings = settings;
    this.#debounce?.cancel();
    this.#debounce = undefined;
    if (former.disabled && !settings.disabled) this.#apply();
    else this.#debounce = this.#setup.clock.after(DEBOUNCE_MS, () => this.#apply());
  }

  goLive(publication: Publication, handle: Subscription): void {
    this.#state = { name: 'live', publication, handle, since: this.#setup.clock.now(), codec: undefined };
    publication.subscribers.add(this);
  }

  /** The client agreed to receive it in this codec. */
  bind(codec: Codec): void {
    if (this.#state.name !== 'live') return;
    const first = this.#state.codec === undefined;
    this.#state.codec = codec;
    // A client that hides what it does not see only measures what it gets.
    if (first && this.#setup.adaptiveStream && this.#settings?.disabled === true) {
      this.#settings = { ...this.#settings, disabled: false };
    }
    this.#apply();
  }

  /** A codec that the publisher does not send yet is the only one the client can decode. */
  awaitCodec(codec: Codec): void {
    if (this.#state.name !== 'live') return;
    const { dynacast } = this.#state.publication;
    dynacast?.setDemand(this.#setup.subscriberSid, { codec, quality: VideoQuality.HIGH });
  }

  started(): void {
    if (this.#state.name !== 'live' || !this.#state.publication.isVideo) return;
    this.#setup.streamStates.started(this.#state.publication.publisher.sid, this.trackSid);
  }

  sourcesChanged(): void {
    if (this.#state.name === 'live') this.#state.handle.setSources(this.#state.publication.sources);
  }

  layersChanged(): void {
    if (this.bound) this.#apply();
  }

  mutedChanged(muted: boolean): void {
    if (muted) this.#setup.streamStates.muted(this.trackSid);
  }

  ended(): void {
    const publication = this.stop();
    this.setDesired(false);
    if (publication !== undefined) this.#setup.onEnded(this, publication);
  }

  /** Ends what is live; returns the publication it was of. */
  stop(): Publication | undefined {
    this.#debounce?.cancel();
    this.#debounce = undefined;
    if (this.#state.name !== 'live') return undefined;
    const { publication, handle, codec } = this.#state;
    this.#state = { name: 'idle' };
    if (codec !== undefined) this.#setup.onUnbound(publication);
    this.#score = undefined;
    publication.subscribers.delete(this);
    handle.close();
    publication.dynacast?.dropDemand(this.#setup.subscriberSid);
    this.#setup.streamStates.forget(this.trackSid);
    return publication;
  }

  #apply(): void {
    this.#debounce = undefined;
    if (this.#state.name !== 'live' || this.#state.codec === undefined) return;
    const { publication, handle, codec } = this.#state;
    const wish = wishOf(this.settings, publication, codec);
    handle.setWish(wish);
    if (!wish.enabled) this.#setup.streamStates.muted(this.trackSid);
    const quality = wish.enabled
      ? qualityOfSpatial(publication.info, mimeOfCodec(codec), wish.maxSpatial)
      : VideoQuality.OFF;
    publication.dynacast?.setDemand(this.#setup.subscriberSid, { codec, quality });
  }
}

/** Clients resize many views at once. */
const DEBOUNCE_MS = 100;
