/**
 * What one participant receives (livekit-facts 3.8). Which tracks are wanted and which are live are kept apart, and
 * `reconcile` closes the gap: on each change, and every 3 s while anything is missing.
 */

import {
  SubscriptionError,
  SubscriptionPermissionUpdate,
  SubscriptionResponse,
  type UpdateSubscription,
} from '@livekit/protocol';
import { isRecorder, maySubscribe } from '../auth/grants.ts';
import type { Codec } from '../media/commands.ts';
import type { DownTrackQuality } from '../media/events.ts';
import type { TrackMetrics } from '../metrics/tracks.ts';
import type { Negotiation } from '../negotiate/types.ts';
import { isFirefox } from './client-rules.ts';
import type { Clock, Timer } from './clock.ts';
import type { Outbox } from './outbox.ts';
import type { Participant } from './participant.ts';
import type { ParticipantFeed } from './participant-feed.ts';
import type { Publication } from './publication.ts';
import { startOf } from './start-of.ts';
import { StreamStates } from './stream-states.ts';
import { type TrackSettings, wishOf } from './track-settings.ts';
import { TrackSubscription } from './track-subscription.ts';

export interface SubscriptionsObserver {
  /** A track of the room by its sid. */
  resolve(trackSid: string): Publication | undefined;
  /** The publisher lets this participant subscribe. */
  permits(publication: Publication, subscriber: Participant): boolean;
  /** The first track of a publisher went live. */
  subscribedTo(publisherSid: string): void;
  /** The last one ended. */
  unsubscribedFrom(publisherSid: string): void;
  /** A subscription did not work out; `fatal` where a new session might help. */
  failed(fatal: boolean): void;
}

export interface SubscriptionsSetup {
  participant: Participant;
  outbox: Outbox;
  feed: ParticipantFeed;
  clock: Clock;
  adaptiveStream: boolean;
  syncStreams: boolean;
  limits: { audio: number; video: number };
  /** What it may receive. */
  codecs: readonly Codec[];
  observer: SubscriptionsObserver;
  metrics: TrackMetrics;
}

export class Subscriptions {
  readonly #setup: SubscriptionsSetup;
  readonly #negotiation: () => Negotiation;
  readonly #streamStates: StreamStates;
  readonly #byTrack = new Map<string, TrackSubscription>();
  /** Live tracks by publisher. */
  readonly #publishers = new Map<string, Set<string>>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(setup: SubscriptionsSetup, negotiation: () => Negotiation) {
    this.#setup = setup;
    this.#negotiation = negotiation;
    this.#streamStates = new StreamStates(setup.outbox);
  }

  /** Publishers of which anything is live. */
  get publisherSids(): string[] {
    return [...this.#publishers.keys()];
  }

  get liveCount(): number {
    return this.#live().length;
  }

  isSubscribedTo(publisherSid: string): boolean {
    return this.#publishers.has(publisherSid);
  }

  live(): readonly TrackSubscription[] {
    return this.#live();
  }

  update(request: UpdateSubscription): void {
    const sids = [...request.trackSids, ...request.participantTracks.flatMap((tracks) => tracks.trackSids)];
    for (const sid of sids) {
      if (request.subscribe) this.subscribe(sid);
      else this.unsubscribe(sid);
    }
  }

  subscribe(trackSid: string): void {
    if (this.#closed || !this.#hasRoomFor(trackSid)) return;
    const subscription = this.#ensure(trackSid);
    if (!subscription.desired) this.#setup.metrics.subscribeAttempted();
    subscription.setDesired(true);
    this.#reconcile(subscription);
  }

  unsubscribe(trackSid: string): void {
    const subscription = this.#byTrack.get(trackSid);
    if (subscription === undefined) return;
    if (subscription.desired && !subscription.bound) this.#setup.metrics.subscribeCanceled();
    subscription.setDesired(false);
    this.#reconcile(subscription);
    this.#relieve();
  }

  /** May come before the subscription; it is remembered for some seconds. */
  setSettings(trackSid: string, settings: TrackSettings): void {
    if (this.#closed || !this.#hasRoomFor(trackSid)) return;
    this.#ensure(trackSid).setSettings(settings);
    this.#keepTime();
  }

  /** A track came, or its publisher's permissions changed. */
  trackChanged(trackSid: string): void {
    const subscription = this.#byTrack.get(trackSid);
    if (subscription !== undefined) this.#reconcile(subscription);
  }

  reconcileAll(): void {
    for (const subscription of [...this.#byTrack.values()]) this.#reconcile(subscription);
    this.#keepTime();
  }

  /** It turned ACTIVE: what is bound already counts as subscribed from now on. */
  activated(): void {
    for (const subscription of this.#live()) if (subscription.bound) this.#acknowledge(subscription);
  }

  bound(trackSid: string, codec: Codec): void {
    const subscription = this.#byTrack.get(trackSid);
    if (subscription === undefined) return;
    if (!subscription.bound) this.#countBound(subscription);
    subscription.bind(codec);
    if (this.#setup.participant.active) this.#acknowledge(subscription);
  }

  #countBound({ publication, desiredSince }: TrackSubscription): void {
    const { metrics, participant, clock } = this.#setup;
    if (publication === undefined) return;
    const now = clock.now();
    metrics.subscribed({ ...startOf(participant, publication.info), took: now - (desiredSince ?? now) });
  }

  started(trackSid: string): void {
    this.#byTrack.get(trackSid)?.started();
  }

  setQuality(trackSid: string, quality: DownTrackQuality): void {
    const subscription = this.#byTrack.get(trackSid);
    if (subscription?.publication === undefined) return;
    subscription.setScore({ score: quality.score, lost: quality.lost });
    this.#setup.metrics.arrived('outgoing', subscription.publication.info, quality.window, quality.rttMs);
  }

  /** The client decodes none of the published codecs: another that is announced may help, or nothing does. */
  unsupported(trackSid: string): void {
    const subscription = this.#byTrack.get(trackSid);
    const publication = subscription?.publication;
    if (subscription === undefined || publication === undefined) return;
    const backup = publication.unpublishedCodecs.find((codec) => this.#setup.codecs.includes(codec));
    if (backup !== undefined) {
      subscription.awaitCodec(backup);
      return;
    }
    subscription.setDesired(false);
    this.#reconcile(subscription);
    this.#refuse(trackSid, SubscriptionError.SE_CODEC_UNSUPPORTED);
    this.#setup.observer.failed(false);
  }

  #acknowledge(subscription: TrackSubscription): void {
    if (!this.#setup.participant.hidden) subscription.publication?.markSubscribed();
  }

  #reconcile(subscription: TrackSubscription): void {
    if (this.#closed) return;
    if (subscription.live) this.#check(subscription);
    else if (subscription.desired) this.#tryStart(subscription);
    if (!subscription.desired && !subscription.live) this.#byTrack.delete(subscription.trackSid);
    this.#keepTime();
  }

  /** What is live must still be wanted and allowed, and must have come about in time. */
  #check(subscription: TrackSubscription): void {
    const { participant } = this.#setup;
    const { publication } = subscription;
    if (publication === undefined) return;
    if (!subscription.desired || !maySubscribe(participant.grant)) {
      this.#stop(subscription);
    } else if (!this.#permitted(subscription, publication)) {
      this.#stop(subscription);
    } else if (!subscription.bound && !subscription.failed && this.#overdue(subscription)) {
      subscription.failed = true;
      this.#refuse(subscription.trackSid, SubscriptionError.SE_UNKNOWN);
      this.#setup.observer.failed(true);
    }
  }

  #tryStart(subscription: TrackSubscription): void {
    const { participant, observer, clock } = this.#setup;
    if (!maySubscribe(participant.grant)) return;
    const publication = observer.resolve(subscription.trackSid);
    if (publication === undefined) {
      if (clock.now() - (subscription.desiredSince ?? clock.now()) < NOT_FOUND_MS) return;
      subscription.setDesired(false);
      this.#refuse(subscription.trackSid, SubscriptionError.SE_TRACK_NOTFOUND);
      observer.failed(false);
      return;
    }
    if (this.#atLimit(publication)) return;
    if (this.#permitted(subscription, publication)) this.#start(subscription, publication);
  }

  /** Each change of the publisher's mind is told, the first permission included. */
  #permitted(subscription: TrackSubscription, publication: Publication): boolean {
    const { participant, observer, outbox } = this.#setup;
    const allowed = isRecorder(participant.claims) || observer.permits(publication, participant);
    if (subscription.permission === allowed) return allowed;
    subscription.permission = allowed;
    if (allowed) subscription.restartPatience();
    const { sid: trackSid, publisher } = publication;
    const value = new SubscriptionPermissionUpdate({ participantSid: publisher.sid, trackSid, allowed });
    outbox.send({ case: 'subscriptionPermissionUpdate', value });
    return allowed;
  }

  #start(subscription: TrackSubscription, publication: Publication): void {
    const { publisher, sid } = publication;
    const [preferred] = publication.sources;
    if (preferred === undefined) return;
    // Clients drop media of participants and tracks they have not heard of.
    this.#setup.feed.ensureTold(publisher.info());
    const handle = this.#negotiation().subscribe({
      trackSid: sid,
      streamId: this.#streamId(publication),
      kind: publication.isVideo ? 'video' : 'audio',
      sources: publication.sources,
      stereo: publication.stereo,
      wish: wishOf(subscription.settings, publication, preferred.codec),
    });
    subscription.goLive(publication, handle);
    const tracks = this.#publishers.get(publisher.sid);
    if (tracks !== undefined) {
      tracks.add(sid);
      return;
    }
    this.#publishers.set(publisher.sid, new Set([sid]));
    this.#setup.observer.subscribedTo(publisher.sid);
  }

  #stop(subscription: TrackSubscription): void {
    const publication = subscription.stop();
    if (publication !== undefined) this.#forgetLive(publication.publisher.sid, subscription.trackSid);
  }

  #forgetLive(publisherSid: string, trackSid: string): void {
    const tracks = this.#publishers.get(publisherSid);
    tracks?.delete(trackSid);
    if (tracks?.size !== 0) return;
    this.#publishers.delete(publisherSid);
    if (!this.#closed) this.#setup.observer.unsubscribedFrom(publisherSid);
  }

  #streamId({ publisher, info }: Publication): string {
    const { participant, syncStreams } = this.#setup;
    if (participant.client.protocol === 0) return publisher.sid;
    const synced = syncStreams && participant.gates.syncStreams && !isFirefox(participant.client);
    return `${publisher.sid}|${synced && info.stream !== '' ? info.stream : info.sid}`;
  }

  #atLimit(publication: Publication): boolean {
    const { limits } = this.#setup;
    const limit = publication.isVideo ? limits.video : limits.audio;
    if (limit === 0) return false;
    const same = this.#live().filter((live) => live.publication?.isVideo === publication.isVideo);
    return same.length >= limit;
  }

  #overdue(subscription: TrackSubscription): boolean {
    const { participant, clock } = this.#setup;
    if (participant.state.name !== 'active') return false;
    const since = Math.max(participant.state.since, subscription.desiredSince ?? 0, subscription.liveSince ?? 0);
    return clock.now() - since > BIND_MS;
  }

  #refuse(trackSid: string, err: SubscriptionError): void {
    this.#setup.metrics.subscribeFailed(SubscriptionError[err]);
    this.#setup.outbox.send({ case: 'subscriptionResponse', value: new SubscriptionResponse({ trackSid, err }) });
  }

  #ensure(trackSid: string): TrackSubscription {
    const existing = this.#byTrack.get(trackSid);
    if (existing !== undefined) return existing;
    const { clock, participant, adaptiveStream } = this.#setup;
    const subscription = new TrackSubscription(trackSid, {
      clock,
      adaptiveStream,
      subscriberSid: participant.sid,
      streamStates: this.#streamStates,
      onUnbound: ({ info }) => this.#setup.metrics.unsubscribed(info.type),
      onEnded: (ended, publication) => {
        this.#byTrack.delete(ended.trackSid);
        this.#forgetLive(publication.publisher.sid, ended.trackSid);
        this.#relieve();
      },
    });
    this.#byTrack.set(trackSid, subscription);
    return subscription;
  }

  /** A place under the limits is free. */
  #relieve(): void {
    const { limits } = this.#setup;
    if (limits.audio > 0 || limits.video > 0) this.reconcileAll();
  }

  #hasRoomFor(trackSid: string): boolean {
    return this.#byTrack.has(trackSid) || this.#byTrack.size < MAX_TRACKED;
  }

  #live(): TrackSubscription[] {
    return [...this.#byTrack.values()].filter((subscription) => subscription.live);
  }

  /** The timer runs only while it could change something. */
  #keepTime(): void {
    const waiting = [...this.#byTrack.values()].some((subscription) => !subscription.bound);
    if (waiting && !this.#closed) {
      this.#timer ??= this.#setup.clock.after(RECONCILE_MS, () => {
        this.#timer = undefined;
        this.reconcileAll();
      });
    } else {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const subscription of this.#byTrack.values()) this.#stop(subscription);
    this.#byTrack.clear();
  }
}

const RECONCILE_MS = 3000;
/** A track that nobody published for so long is given up. */
const NOT_FOUND_MS = 60_000;
/** Time a client has to agree on a subscription once it is ACTIVE. */
const BIND_MS = 15_000;
/** Tracks a client may name, live or not: bounds what a hostile one makes us remember. */
const MAX_TRACKED = 10_000;
