/** What one participant publishes: from the announcement over its sections to the end (livekit-facts 3.7). */

import {
  type AddTrackRequest,
  AudioTrackFeature,
  Encryption_Type,
  MuteTrackRequest,
  RequestResponse_Reason as Reason,
  type TrackInfo,
  TrackPublishedResponse,
  TrackSource,
  TrackSubscribed,
  TrackType,
  TrackUnpublishedResponse,
  type UpdateLocalAudioTrack,
  type UpdateLocalVideoTrack,
} from '@livekit/protocol';
import { mayPublishSource } from '../auth/grants.ts';
import { newTrackSid } from '../lib/guid.ts';
import type { MediaEngine } from '../media/types.ts';
import type { TrackMetrics } from '../metrics/tracks.ts';
import type { OfferedSection, PublicationMatch, UpTrackRef } from '../negotiate/types.ts';
import { understandsTrackSubscribed } from './client-rules.ts';
import type { Clock } from './clock.ts';
import { codecOfMime } from './mime.ts';
import type { Outbox } from './outbox.ts';
import type { Participant } from './participant.ts';
import { PendingTracks } from './pending-tracks.ts';
import { Publication } from './publication.ts';
import { publisherDynacast } from './publisher-dynacast.ts';
import type { RequestResponses } from './request-responses.ts';
import { startOf } from './start-of.ts';
import { allowsRed, type PublisherTraits, setAudioFeatures, trackInfoOf } from './track-info.ts';

export interface PublicationsObserver {
  /** A track has a section: others may see and subscribe to it. */
  published(publication: Publication): void;
  /** What others see of a published track changed. */
  changed(publication: Publication): void;
  unpublished(publication: Publication): void;
  /** Sections without a track may belong to one now. */
  announced(): void;
  /** Loudness of a microphone; 0 once it fell silent. */
  audible(level: number, active: boolean, publication: Publication): void;
  /** Few enough participants to fall back to one codec for all. */
  mayRegress(): boolean;
}

export interface PublicationsSetup {
  participant: Participant;
  outbox: Outbox;
  responses: RequestResponses;
  engine: MediaEngine;
  clock: Clock;
  traits: PublisherTraits;
  dynacastPauseDelayMs: number;
  observer: PublicationsObserver;
  metrics: TrackMetrics;
}

export class Publications {
  readonly #setup: PublicationsSetup;
  readonly #pending = new PendingTracks();
  readonly #published = new Map<string, Publication>();

  constructor(setup: PublicationsSetup) {
    this.#setup = setup;
  }

  all(): Publication[] {
    return [...this.#published.values()];
  }

  infos(): TrackInfo[] {
    return this.all().map((publication) => publication.info);
  }

  get(sid: string): Publication | undefined {
    return this.#published.get(sid);
  }

  /** Published or announced. */
  knows(sid: string): boolean {
    return this.#published.has(sid) || this.#pending.info(sid) !== undefined;
  }

  addTrack(request: AddTrackRequest): void {
    const { participant, responses } = this.#setup;
    const refuse = (reason: Reason, message = ''): void =>
      responses.send(reason, { case: 'addTrack', value: request }, message);
    if (!mayPublishSource(participant.grant, request.source)) {
      refuse(Reason.NOT_ALLOWED, 'does not have permission to publish track');
      return;
    }
    if (request.type !== TrackType.AUDIO && request.type !== TrackType.VIDEO) {
      refuse(Reason.UNSUPPORTED_TYPE, `unsupported track type: ${TrackType[request.type] ?? request.type}`);
      return;
    }
    if (request.sid !== '') {
      this.#addCodec(request, refuse);
      return;
    }
    if (this.#pending.size >= MAX_PENDING) {
      refuse(Reason.LIMIT_EXCEEDED, `too many announced tracks, at most ${MAX_PENDING} may wait for media`);
      return;
    }
    this.#announce(request, refuse);
  }

  /** Another codec of a published track. */
  #addCodec(request: AddTrackRequest, refuse: (reason: Reason) => void): void {
    const publication = this.#published.get(request.sid);
    if (publication === undefined) {
      refuse(Reason.NOT_FOUND);
      return;
    }
    publication.announceCodecs(request.simulcastCodecs);
    this.#sendPublished(request.cid, publication.info);
    this.#setup.observer.announced();
  }

  #announce(request: AddTrackRequest, refuse: (reason: Reason, message?: string) => void): void {
    const { cid } = request;
    const waiting = this.#pending.get(cid);
    // Announced twice for one track: the client means the same one.
    const sid = waiting?.infos[0]?.sid ?? newTrackSid(marksOf(request));
    const info = trackInfoOf(request, sid, this.#setup.traits);
    this.#setup.metrics.announced(info.type);
    if (waiting !== undefined) {
      if (waiting.infos.length >= MAX_QUEUED) {
        refuse(Reason.LIMIT_EXCEEDED, `too many queued tracks, at most ${MAX_QUEUED} may share a client id`);
        return;
      }
      waiting.infos.push(info);
      refuse(Reason.QUEUED);
      return;
    }
    const queued = this.#findByCid(cid) !== undefined;
    this.#pending.add(cid, info, queued, this.#setup.clock.now());
    if (queued) {
      refuse(Reason.QUEUED);
      return;
    }
    this.#sendPublished(cid, info);
    this.#setup.observer.announced();
  }

  /** Whether tracks are announced that no section of an offer carries yet. */
  get awaited(): boolean {
    return this.#pending.size > 0;
  }

  /** Which track a section of the client's offer carries; remembers the id the offer calls it by. */
  match(section: OfferedSection): PublicationMatch | undefined {
    const publication = this.#findByCid(section.trackCid) ?? this.#findUnstartedCodec(section);
    if (publication !== undefined) return this.#describe(publication.info, section.trackCid);
    const info = this.#pending.match(section.trackCid, section.kind)?.infos[0];
    if (info !== undefined) {
      if (!mayPublishSource(this.#setup.participant.grant, info.source)) return undefined;
      const [primary] = info.codecs;
      const named = info.codecs.some((codec) => codec.cid === section.trackCid);
      if (primary !== undefined && !named) primary.sdpCid = section.trackCid;
      return this.#describe(info, section.trackCid);
    }
    // A section whose track got another id (replaced, or cloned) still carries what it carried.
    const same = this.all().find((candidate) => candidate.sections.some((source) => source.mid === section.mid));
    return same === undefined ? undefined : this.#describe(same.info, section.trackCid);
  }

  #findByCid(cid: string): Publication | undefined {
    if (cid === '') return undefined;
    return this.all().find(
      (publication) =>
        publication.cid === cid || publication.info.codecs.some((codec) => codec.cid === cid || codec.sdpCid === cid),
    );
  }

  /** A further codec whose section the client names as it likes: the one announced, not started, and not yet named. */
  #findUnstartedCodec(section: OfferedSection): Publication | undefined {
    if (section.kind !== 'video' || this.#pending.match(section.trackCid, section.kind) !== undefined) return undefined;
    const known = this.all().some((other) => other.sections.some((source) => source.mid === section.mid));
    if (known) return undefined;
    for (const publication of this.all()) {
      const codec = publication.unpublishedCodecs.find((candidate) =>
        publication.info.codecs.some(
          (entry) => codecOfMime(entry.mimeType) === candidate && entry.cid !== '' && entry.sdpCid === '',
        ),
      );
      if (codec === undefined) continue;
      publication.rememberSdpCid(codec, section.trackCid);
      return publication;
    }
    return undefined;
  }

  #describe(info: TrackInfo, trackCid: string): PublicationMatch {
    const own = info.codecs.find((codec) => codec.cid === trackCid || codec.sdpCid === trackCid) ?? info.codecs[0];
    const codec = own === undefined || own.mimeType === '' ? undefined : codecOfMime(own.mimeType);
    return {
      trackSid: info.sid,
      preferredCodec: codec === 'red' ? undefined : codec,
      stereo: info.audioFeatures.includes(AudioTrackFeature.TF_STEREO),
      dtx: !info.audioFeatures.includes(AudioTrackFeature.TF_NO_DTX),
      red: allowsRed(info),
      screenShare: info.source === TrackSource.SCREEN_SHARE,
      encrypted: info.encryption !== Encryption_Type.NONE,
      muted: info.muted,
    };
  }

  /** A section is answered. */
  started(source: UpTrackRef): void {
    const { observer, clock, participant } = this.#setup;
    const publication = this.#published.get(source.trackSid) ?? this.#publish(source);
    if (publication === undefined) return;
    const isNew = publication.sections.length === 0;
    this.#watch(publication, source);
    publication.addSource(source, clock.now(), observer.mayRegress());
    if (isNew) {
      participant.markPublisher();
      observer.published(publication);
    } else {
      observer.changed(publication);
    }
  }

  #publish(source: UpTrackRef): Publication | undefined {
    const { participant, outbox, clock, dynacastPauseDelayMs, metrics } = this.#setup;
    const taken = this.#pending.take(source.trackSid);
    if (taken === undefined) return undefined;
    const { cid, info, since } = taken;
    metrics.published({ ...startOf(participant, info), took: clock.now() - since });
    const isVideo = info.type === TrackType.VIDEO;
    const dynacast = isVideo ? publisherDynacast(clock, dynacastPauseDelayMs, info, outbox) : undefined;
    const publication = new Publication({
      publisher: participant,
      cid,
      info,
      dynacast,
      onFirstSubscriber: () => {
        if (!understandsTrackSubscribed(participant.client)) return;
        outbox.send({ case: 'trackSubscribed', value: new TrackSubscribed({ trackSid: info.sid }) });
      },
    });
    this.#published.set(info.sid, publication);
    participant.invalidate();
    return publication;
  }

  #watch(publication: Publication, source: UpTrackRef): void {
    const { engine, observer, metrics } = this.#setup;
    engine.onUpTrack(source.track, {
      event: (event) => {
        if (event.type === 'layers') publication.setMeasuredLayers(source.track, event.layers);
      },
      audioLevel: ({ level, active }) => {
        if (publication.source === TrackSource.MICROPHONE) observer.audible(level, active, publication);
      },
      quality: ({ score, lost, window }) => {
        publication.setScore(source.track, { score, lost });
        metrics.arrived('incoming', publication.info, window, 0);
      },
    });
  }

  /** The client stopped sending on a section. */
  stopped(source: UpTrackRef): void {
    this.#setup.engine.onUpTrack(source.track, undefined);
    const publication = this.#published.get(source.trackSid);
    if (publication === undefined || !publication.sections.some((other) => other.track === source.track)) return;
    if (publication.removeSource(source.track)) this.#setup.observer.changed(publication);
    else this.#end(publication);
  }

  /** Mutes or unmutes for all; undefined where there is no such track. `byAdmin`: the publisher is told to follow. */
  mute(sid: string, muted: boolean, byAdmin: boolean): TrackInfo | undefined {
    const { outbox, responses, engine, observer } = this.#setup;
    if (byAdmin) outbox.send({ case: 'mute', value: new MuteTrackRequest({ sid, muted }) });
    const publication = this.#published.get(sid);
    const pending = this.#pending.info(sid);
    if (pending !== undefined) pending.muted = muted;
    if (publication?.setMuted(muted) === true) {
      for (const source of publication.sections) {
        engine.send(source.worker, { type: 'muteUpTrack', track: source.track, muted });
      }
      observer.changed(publication);
    }
    const info = publication?.info ?? pending;
    if (info === undefined && !byAdmin) {
      responses.send(Reason.NOT_FOUND, { case: 'mute', value: new MuteTrackRequest({ sid, muted }) });
    }
    return info;
  }

  updateAudio(request: UpdateLocalAudioTrack): void {
    const found = this.#update(request.trackSid, (info) => setAudioFeatures(info, request.features));
    if (!found) this.#setup.responses.send(Reason.NOT_FOUND, { case: 'updateAudioTrack', value: request });
  }

  updateVideo(request: UpdateLocalVideoTrack): void {
    const found = this.#update(request.trackSid, (info) => {
      info.width = request.width;
      info.height = request.height;
    });
    if (!found) this.#setup.responses.send(Reason.NOT_FOUND, { case: 'updateVideoTrack', value: request });
  }

  #update(sid: string, change: (info: TrackInfo) => void): boolean {
    const publication = this.#published.get(sid);
    if (publication !== undefined) {
      publication.update(change);
      this.#setup.observer.changed(publication);
      return true;
    }
    const pending = this.#pending.info(sid);
    if (pending !== undefined) change(pending);
    return pending !== undefined;
  }

  /** Ends what the participant may not publish any more; the client learns that it has to stop. */
  revokeForbidden(): void {
    const { participant, outbox } = this.#setup;
    for (const publication of this.all()) {
      if (mayPublishSource(participant.grant, publication.source)) continue;
      const { sid } = publication;
      this.#end(publication);
      if (participant.gates.trackUnpublished) {
        outbox.send({ case: 'trackUnpublished', value: new TrackUnpublishedResponse({ trackSid: sid }) });
      } else {
        outbox.send({ case: 'mute', value: new MuteTrackRequest({ sid, muted: true }) });
      }
    }
  }

  /** After a resume the publisher is told again which qualities are wanted. */
  restart(): void {
    for (const publication of this.#published.values()) publication.dynacast?.restart();
  }

  #end(publication: Publication): void {
    const { engine, observer, participant, metrics } = this.#setup;
    this.#published.delete(publication.sid);
    metrics.unpublished(publication.info.type);
    participant.invalidate();
    for (const source of publication.sections) {
      engine.onUpTrack(source.track, undefined);
      // Until the client follows, its packets are of no use to anybody.
      engine.send(source.worker, { type: 'muteUpTrack', track: source.track, muted: true });
    }
    publication.close();
    observer.unpublished(publication);
    this.#promote(publication.cid);
  }

  /** The next track announced under a client id takes its turn. */
  #promote(cid: string): void {
    const next = this.#pending.get(cid);
    const info = next?.infos[0];
    if (next === undefined || info === undefined || !next.queued) return;
    next.queued = false;
    this.#sendPublished(cid, info);
    this.#setup.observer.announced();
  }

  #sendPublished(cid: string, track: TrackInfo): void {
    this.#setup.outbox.send({
      case: 'trackPublished',
      value: new TrackPublishedResponse({ cid, track: track.clone() }),
    });
  }

  close(): void {
    for (const { type } of this.#pending.infos()) this.#setup.metrics.publishCanceled(type);
    this.#pending.clear();
    for (const publication of this.all()) this.#end(publication);
  }
}

function marksOf({ type, source }: AddTrackRequest): string {
  return `${type === TrackType.VIDEO ? 'V' : 'A'}${SOURCE_MARKS[source] ?? ''}`;
}

const SOURCE_MARKS: Partial<Record<TrackSource, string>> = {
  [TrackSource.CAMERA]: 'C',
  [TrackSource.MICROPHONE]: 'M',
  [TrackSource.SCREEN_SHARE]: 'S',
  [TrackSource.SCREEN_SHARE_AUDIO]: 's',
};

/** Tracks a client may announce without sending them. */
const MAX_PENDING = 20;
/** Tracks that may wait for their turn under one client id. */
const MAX_QUEUED = 3;
