import {
  AudioTrackFeature,
  BackupCodecPolicy,
  type SimulcastCodec,
  TimedVersion,
  type TrackInfo,
  type TrackSource,
  TrackType,
} from '@livekit/protocol';
import type { TrackSid } from '../lib/ids.ts';
import type { Codec, UpTrackId } from '../media/commands.ts';
import type { LayerState } from '../media/events.ts';
import type { UpTrackRef } from '../negotiate/types.ts';
import type { Dynacast } from './dynacast.ts';
import { numberLayers } from './layers.ts';
import { codecOfMime, mimeOfCodec } from './mime.ts';
import type { Participant } from './participant.ts';
import { cloneLayers } from './track-info.ts';

/** A subscription as the publication sees it. */
export interface PublicationSubscriber {
  /** A codec came or went, or payload types changed. */
  sourcesChanged(): void;
  /** Sizes or layers changed: the layer for a wanted size may be another. */
  layersChanged(): void;
  /** The publisher muted or unmuted. */
  mutedChanged(muted: boolean): void;
  /** The track is gone. */
  ended(): void;
}

/** Score of 0 to 100 and whether packets are missing altogether. */
export interface Score {
  score: number;
  lost: boolean;
}

export interface PublicationSeed {
  publisher: Participant;
  cid: string;
  info: TrackInfo;
  dynacast: Dynacast | undefined;
  /** Somebody who is not hidden receives it. */
  onFirstSubscriber: () => void;
}

/** A published track in all its codecs. */
export class Publication {
  readonly sid: TrackSid;
  readonly publisher: Participant;
  /** Announced under this client id. */
  readonly cid: string;
  readonly subscribers = new Set<PublicationSubscriber>();
  /** Video only. */
  readonly dynacast: Dynacast | undefined;
  readonly #onFirstSubscriber: () => void;
  #everSubscribed = false;
  #info: TrackInfo;
  #sources: UpTrackRef[] = [];
  #scores = new Map<UpTrackId, Score>();
  #sizes = new Map<UpTrackId, LayerState[]>();
  #regressedTo: Codec | undefined;

  /** `seed.info` becomes its own. */
  constructor(seed: PublicationSeed) {
    this.publisher = seed.publisher;
    this.cid = seed.cid;
    this.sid = seed.info.sid as TrackSid;
    this.#info = seed.info;
    this.dynacast = seed.dynacast;
    this.#onFirstSubscriber = seed.onFirstSubscriber;
  }

  /** A snapshot, never to be modified; changes make another. */
  get info(): TrackInfo {
    return this.#info;
  }

  get isVideo(): boolean {
    return this.#info.type === TrackType.VIDEO;
  }

  get source(): TrackSource {
    return this.#info.source;
  }

  get muted(): boolean {
    return this.#info.muted;
  }

  get stereo(): boolean {
    return this.#info.audioFeatures.includes(AudioTrackFeature.TF_STEREO);
  }

  /** What subscribers may take, preferred first; after a regression only the codec all fell back to. */
  get sources(): UpTrackRef[] {
    const regressed = this.#sources.filter((source) => source.codec === this.#regressedTo);
    return regressed.length > 0 ? regressed : [...this.#sources];
  }

  /** All sections of the track, taken or not. */
  get sections(): readonly UpTrackRef[] {
    return this.#sources;
  }

  /** Codecs announced beside the published ones: the publisher starts them when a subscriber asks. */
  get unpublishedCodecs(): Codec[] {
    return this.#info.codecs.flatMap((entry) => {
      const codec = codecOfMime(entry.mimeType);
      return codec === undefined || this.#sources.some((source) => source.codec === codec) ? [] : [codec];
    });
  }

  /** A section is answered for the track, or answered anew. `mayRegress`: few enough participants are in the room. */
  addSource(source: UpTrackRef, now: number, mayRegress: boolean): void {
    const former = this.#sources.findIndex((other) => other.track === source.track);
    if (former >= 0) this.#sources[former] = source;
    else this.#sources.push(source);
    this.#edit((info) => describeSource(info, source, now));
    const order = this.#info.codecs.map((codec) => codecOfMime(codec.mimeType));
    this.#sources.sort((a, b) => order.indexOf(a.codec) - order.indexOf(b.codec));
    this.dynacast?.addCodec(source.codec);
    if (this.#isRegressionTarget(source.codec, mayRegress)) this.#regressedTo = source.codec;
    for (const subscriber of this.subscribers) subscriber.sourcesChanged();
  }

  /** Returns whether any section is left. */
  removeSource(track: UpTrackId): boolean {
    const removed = this.#sources.find((source) => source.track === track);
    this.#sources = this.#sources.filter((source) => source.track !== track);
    this.#scores.delete(track);
    this.#sizes.delete(track);
    if (removed?.codec === this.#regressedTo) this.#regressedTo = undefined;
    if (this.#sources.length === 0) return false;
    if (removed !== undefined) this.dynacast?.removeCodec(removed.codec);
    for (const subscriber of this.subscribers) subscriber.sourcesChanged();
    return true;
  }

  #isRegressionTarget(codec: Codec, mayRegress: boolean): boolean {
    const policy = this.#info.backupCodecPolicy;
    const regresses =
      policy === BackupCodecPolicy.REGRESSION || (policy === BackupCodecPolicy.PREFER_REGRESSION && mayRegress);
    const backup = this.#info.codecs[1];
    return regresses && this.#sources.length > 1 && backup !== undefined && codecOfMime(backup.mimeType) === codec;
  }

  /** Returns false where it was so already. */
  setMuted(muted: boolean): boolean {
    if (this.muted === muted) return false;
    this.#edit((info) => {
      info.muted = muted;
    });
    this.dynacast?.setMuted(muted);
    for (const subscriber of this.subscribers) subscriber.mutedChanged(muted);
    return true;
  }

  /** Changes what is shown of the track. */
  update(change: (info: TrackInfo) => void): void {
    this.#edit(change);
    for (const subscriber of this.subscribers) subscriber.layersChanged();
  }

  /** An announced codec gets its client id and layers, before its section is offered. */
  announceCodecs(codecs: readonly SimulcastCodec[]): void {
    this.#edit((info) => {
      for (const announced of codecs) {
        const codec = codecOfMime(announced.codec);
        const known = info.codecs.find((entry) => codecOfMime(entry.mimeType) === codec);
        if (codec === undefined || known === undefined) continue;
        known.cid = announced.cid;
        if (announced.layers.length > 0) known.layers = cloneLayers(announced.layers);
        numberLayers(info, known.mimeType, known.layers, DEFAULT_RIDS);
      }
    });
  }

  /** Remembers under which id the client's description names a codec of the track. */
  rememberSdpCid(codec: Codec | undefined, sdpCid: string): void {
    this.#edit((info) => {
      const entry = info.codecs.find((candidate) => codecOfMime(candidate.mimeType) === codec) ?? info.codecs[0];
      if (entry !== undefined && entry.cid !== sdpCid) entry.sdpCid = sdpCid;
    });
  }

  /** Sizes of the layers in this codec as received, lowest first; empty until a key frame told. */
  measuredSizes(codec: Codec): readonly LayerState[] {
    const source = this.#sources.find((candidate) => candidate.codec === codec);
    const sizes = source === undefined ? undefined : this.#sizes.get(source.track);
    return sizes?.filter((size) => size.height > 0) ?? [];
  }

  setMeasuredLayers(track: UpTrackId, layers: LayerState[]): void {
    const before = sizesOf(this.#sizes.get(track) ?? []);
    this.#sizes.set(track, layers);
    if (before === sizesOf(layers)) return;
    for (const subscriber of this.subscribers) subscriber.layersChanged();
  }

  /** The worst score of its sections; undefined before the first report. */
  get score(): Score | undefined {
    if (this.muted) return MUTED_SCORE;
    return [...this.#scores.values()].reduce<Score | undefined>(
      (worst, score) => (worst === undefined || score.lost || score.score < worst.score ? score : worst),
      undefined,
    );
  }

  setScore(track: UpTrackId, score: Score): void {
    this.#scores.set(track, score);
  }

  markSubscribed(): void {
    if (this.#everSubscribed) return;
    this.#everSubscribed = true;
    this.#onFirstSubscriber();
  }

  /** Nobody gets it any more. */
  close(): void {
    this.dynacast?.close();
    const subscribers = [...this.subscribers];
    this.subscribers.clear();
    for (const subscriber of subscribers) subscriber.ended();
  }

  #edit(change: (info: TrackInfo) => void): void {
    const next = this.#info.clone();
    change(next);
    this.#info = next;
    this.publisher.invalidate();
  }
}

/** Fills what only media can tell: the codec, the section, rids of the layers. */
function describeSource(info: TrackInfo, source: UpTrackRef, now: number): void {
  // A section that sends RED first is RED to those who list tracks, whatever is inside.
  const mime = mimeOfCodec(source.payloads[0]?.codec === 'red' ? 'red' : source.codec);
  const unnamed = info.codecs.length === 1 ? info.codecs[0] : undefined;
  if (unnamed !== undefined && unnamed.mimeType === '') unnamed.mimeType = mime;
  const own = info.codecs.find((codec) => codecOfMime(codec.mimeType) === source.codec) ?? unnamed;
  const primary = own === undefined || own === info.codecs[0];
  if (own !== undefined) {
    own.mid = source.mid;
    numberLayers(info, own.mimeType, own.layers, source.rids);
  }
  if (!primary) return;
  info.mimeType = mime;
  info.mid = source.mid;
  numberLayers(info, mime, info.layers, source.rids);
  info.version ??= new TimedVersion({ unixMicro: BigInt(now) * 1000n });
}

const sizesOf = (layers: readonly LayerState[]): string =>
  layers.map((layer) => `${layer.width}x${layer.height}`).join();

const DEFAULT_RIDS = ['q', 'h', 'f'];
const MUTED_SCORE: Score = { score: 100, lost: false };
