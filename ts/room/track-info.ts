/** Builds the TrackInfo of an `add_track` (livekit-facts 3.7). Pure. */

import {
  type AddTrackRequest,
  AudioTrackFeature,
  BackupCodecPolicy,
  type Codec as EnabledCodec,
  type SimulcastCodec,
  SimulcastCodecInfo,
  TrackInfo,
  TrackSource,
  TrackType,
  VideoLayer,
  VideoLayer_Mode,
} from '@livekit/protocol';
import { codecName, isAudioMime, isRtx, isSvcMime, isVideoMime, normalizeMime, sameMime } from './mime.ts';

export interface PublisherTraits {
  /** What it may publish, preferred first. */
  codecs: readonly EnabledCodec[];
  obs: boolean;
}

export function trackInfoOf(request: AddTrackRequest, sid: string, publisher: PublisherTraits): TrackInfo {
  const features = audioFeatures(request);
  const info = new TrackInfo({
    sid,
    type: request.type,
    name: request.name,
    width: request.width,
    height: request.height,
    muted: request.muted,
    source: request.source,
    layers: cloneLayers(request.layers),
    stereo: request.stereo,
    disableDtx: request.disableDtx,
    disableRed: request.disableRed,
    encryption: request.encryption,
    stream: request.stream === '' ? streamOf(request.source) : request.stream,
    audioFeatures: features,
    backupCodecPolicy: backupPolicy(request),
    packetTrailerFeatures: [...new Set(request.packetTrailerFeatures)],
  });
  if (request.simulcastCodecs.length === 0) {
    info.codecs = [
      new SimulcastCodecInfo({
        cid: request.cid,
        layers: cloneLayers(request.layers),
        videoLayerMode: singleLayerMode(publisher.obs),
      }),
    ];
    return info;
  }
  info.codecs = announcedCodecs(request, publisher);
  const [primary] = info.codecs;
  info.simulcast =
    primary !== undefined &&
    primary.videoLayerMode !== VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM &&
    primary.layers.length > 1;
  return info;
}

/** Layers are mutable messages: whoever keeps them has to have their own. */
export function cloneLayers(layers: readonly VideoLayer[]): VideoLayer[] {
  return layers.map((layer) => new VideoLayer(layer)).toSorted((a, b) => a.quality - b.quality);
}

/** Replaces the audio features, the deprecated flags with them. */
export function setAudioFeatures(info: TrackInfo, features: readonly AudioTrackFeature[]): void {
  info.audioFeatures = [...new Set(features)];
  info.stereo = info.audioFeatures.includes(AudioTrackFeature.TF_STEREO);
  info.disableDtx = info.audioFeatures.includes(AudioTrackFeature.TF_NO_DTX);
}

/** A codec named for the track decides about RED; otherwise the publisher's flag does. */
export function allowsRed(info: TrackInfo): boolean {
  const named = info.codecs[0]?.mimeType ?? '';
  return named === '' ? !info.disableRed : codecName(named) === 'red';
}

function announcedCodecs(request: AddTrackRequest, publisher: PublisherTraits): SimulcastCodecInfo[] {
  const codecs: SimulcastCodecInfo[] = [];
  for (const announced of request.simulcastCodecs) {
    const mimeType = publishableMime(request.type, announced.codec, publisher.codecs);
    if (codecs.some((codec) => codec.mimeType === mimeType)) continue;
    const layers = layersAnnounced(request, mimeType);
    const videoLayerMode = layerMode(request.type, announced, mimeType, publisher.obs);
    codecs.push(new SimulcastCodecInfo({ mimeType, cid: announced.cid, videoLayerMode, layers }));
  }
  return codecs;
}

/** The codec's own layers where the request has it, the common ones for a codec put in its place. */
function layersAnnounced(request: AddTrackRequest, mimeType: string): VideoLayer[] {
  const announced = request.simulcastCodecs.find((codec) => codecName(codec.codec) === codecName(mimeType));
  return cloneLayers(announced !== undefined && announced.layers.length > 0 ? announced.layers : request.layers);
}

/** The announced codec, or the first enabled one of its kind where it is not; empty until media tells which it is. */
function publishableMime(type: TrackType, name: string, enabled: readonly EnabledCodec[]): string {
  if (name === '') return '';
  const video = type === TrackType.VIDEO;
  const mimeType = normalizeMime(video ? 'video' : 'audio', name);
  if (enabled.some((codec) => sameMime(codec.mime, mimeType))) return mimeType;
  const ofKind = video ? isVideoMime : isAudioMime;
  const alternative = enabled.find((codec) => ofKind(codec.mime) && !isRtx(codec.mime));
  return alternative?.mime.toLowerCase() ?? (video ? 'video/vp8' : 'audio/opus');
}

function layerMode(type: TrackType, announced: SimulcastCodec, mimeType: string, obs: boolean): VideoLayer_Mode {
  if (type !== TrackType.VIDEO || announced.videoLayerMode !== VideoLayer_Mode.MODE_UNUSED) {
    return announced.videoLayerMode;
  }
  return isSvcMime(mimeType) ? VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM : singleLayerMode(obs);
}

function singleLayerMode(obs: boolean): VideoLayer_Mode {
  return obs
    ? VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR
    : VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM;
}

function audioFeatures(request: AddTrackRequest): AudioTrackFeature[] {
  const features = new Set(request.audioFeatures);
  if (request.stereo) features.add(AudioTrackFeature.TF_STEREO);
  if (request.disableDtx) features.add(AudioTrackFeature.TF_NO_DTX);
  return [...features];
}

/** Audio keeps all its codecs unless asked to fall back to one. */
function backupPolicy(request: AddTrackRequest): BackupCodecPolicy {
  const keepsAll = request.type === TrackType.AUDIO && request.backupCodecPolicy !== BackupCodecPolicy.REGRESSION;
  return keepsAll ? BackupCodecPolicy.SIMULCAST : request.backupCodecPolicy;
}

function streamOf(source: TrackSource): string {
  switch (source) {
    case TrackSource.CAMERA:
    case TrackSource.MICROPHONE:
      return 'camera';
    case TrackSource.SCREEN_SHARE:
    case TrackSource.SCREEN_SHARE_AUDIO:
      return 'screen';
    default:
      return 'unknown';
  }
}
