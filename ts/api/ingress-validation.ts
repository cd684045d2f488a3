/** What an ingress must be before a worker gets it; every fault is `invalid_argument` in livekit-server's words. */

import {
  AudioCodec,
  type IngressAudioEncodingOptions,
  IngressAudioEncodingPreset,
  type IngressAudioOptions,
  type IngressInfo,
  IngressInput,
  type IngressVideoEncodingOptions,
  IngressVideoEncodingPreset,
  type IngressVideoOptions,
  TrackSource,
  VideoCodec,
  type VideoLayer,
  VideoQuality,
} from '@livekit/protocol';
import { RpcError } from '../lib/rpc-error.ts';

/** One that starts now: it also needs a room. */
export function checkStartable(info: IngressInfo): void {
  if (info.roomName === '') throw invalidIngress('no room name');
  checkStorable(info);
}

export function checkStorable(info: IngressInfo): void {
  switch (info.inputType) {
    case IngressInput.RTMP_INPUT:
    case IngressInput.WHIP_INPUT:
      if (info.streamKey === '') throw invalidIngress('no stream key');
      break;
    case IngressInput.URL_INPUT:
      if (info.url === '') throw invalidIngress('no source URL');
      if (info.enabled === false) throw invalidIngress('disabled non reusable ingress');
      break;
    default:
      throw invalidIngress('unsupported input type');
  }
  if (info.participantIdentity === '') throw invalidIngress('no participant identity');
  checkBypass(info);
  checkTranscoding(info);
  if (info.video !== undefined) checkVideo(info.video);
  if (info.audio !== undefined) checkAudio(info.audio);
}

export function invalidIngressType(): RpcError {
  return new RpcError('invalid_argument', 'invalid ingress type');
}

export function invalidIngress(reason: string): RpcError {
  return new RpcError('invalid_argument', `invalid ingress: ${reason}`);
}

/** The deprecated way of saying that nothing is transcoded. */
function checkBypass(info: IngressInfo): void {
  if (!info.bypassTranscoding) return;
  if (info.inputType !== IngressInput.WHIP_INPUT)
    throw invalidBypass('bypassing transcoding impossible with selected input type');
  checkNoEncoding(info, 'transcoding bypass is selected');
}

function checkTranscoding(info: IngressInfo): void {
  if (info.enableTranscoding === true) return;
  if (info.inputType === IngressInput.WHIP_INPUT) {
    checkNoEncoding(info, 'transcoding is disabled');
    return;
  }
  if (info.enableTranscoding === false) {
    throw invalidBypass('bypassing transcoding impossible with selected input type');
  }
}

function checkNoEncoding({ video, audio }: IngressInfo, when: string): void {
  if (video?.encodingOptions.case !== undefined) {
    throw invalidBypass(`video encoding options must be empty if ${when}`);
  }
  if (audio?.encodingOptions.case !== undefined) {
    throw invalidBypass(`audio encoding options must be empty if ${when}`);
  }
}

function checkVideo({ source, encodingOptions }: IngressVideoOptions): void {
  if (!VIDEO_SOURCES.has(source)) throw invalidVideo('invalid track source');
  if (encodingOptions.case === 'preset' && IngressVideoEncodingPreset[encodingOptions.value] === undefined) {
    throw invalidVideo('invalid preset');
  }
  if (encodingOptions.case === 'options') checkVideoEncoding(encodingOptions.value);
}

function checkVideoEncoding({ frameRate, videoCodec, layers }: IngressVideoEncodingOptions): void {
  if (frameRate < 0) throw invalidVideo('invalid framerate');
  if (!VIDEO_CODECS.has(videoCodec)) throw invalidVideo('video codec unsupported');
  const byQuality = new Map<VideoQuality, VideoLayer>();
  for (const layer of layers) {
    if (layer.height === 0 || layer.width === 0) throw invalidVideo('invalid output media dimensions');
    // Encoders halve the colour planes.
    if (layer.width % 2 === 1) throw invalidIngress('layer width must be even');
    if (layer.height % 2 === 1) throw invalidIngress('layer height must be even');
    if (byQuality.has(layer.quality)) throw invalidVideo('more than one layer with the same quality level');
    byQuality.set(layer.quality, layer);
  }
  checkGrowing(
    [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH].flatMap((quality) => byQuality.get(quality) ?? []),
  );
}

/** From the lowest quality up. */
function checkGrowing(layers: VideoLayer[]): void {
  let [width, height] = [0, 0];
  for (const layer of layers) {
    if (layer.height < height) {
      throw invalidVideo('video layers do not have increasing height with increasing quality');
    }
    if (layer.width < width) throw invalidVideo('video layers do not have increasing width with increasing quality');
    ({ width, height } = layer);
  }
}

function checkAudio({ source, encodingOptions }: IngressAudioOptions): void {
  if (!AUDIO_SOURCES.has(source)) throw invalidAudio('invalid track source');
  if (encodingOptions.case === 'preset' && IngressAudioEncodingPreset[encodingOptions.value] === undefined) {
    throw invalidAudio('invalid preset');
  }
  if (encodingOptions.case === 'options') checkAudioEncoding(encodingOptions.value);
}

function checkAudioEncoding({ audioCodec, channels }: IngressAudioEncodingOptions): void {
  if (audioCodec !== AudioCodec.DEFAULT_AC && audioCodec !== AudioCodec.OPUS) {
    throw invalidAudio('audio codec unsupported');
  }
  if (channels > 2) throw invalidAudio('invalid audio channel count');
}

function invalidVideo(reason: string): RpcError {
  return new RpcError('invalid_argument', `invalid video parameters: ${reason}`);
}

function invalidAudio(reason: string): RpcError {
  return new RpcError('invalid_argument', `invalid audio parameters: ${reason}`);
}

function invalidBypass(reason: string): RpcError {
  return new RpcError('invalid_argument', `invalid transcoding bypass configuration: ${reason}`);
}

const VIDEO_SOURCES: ReadonlySet<TrackSource> = new Set([
  TrackSource.UNKNOWN,
  TrackSource.CAMERA,
  TrackSource.SCREEN_SHARE,
]);
const AUDIO_SOURCES: ReadonlySet<TrackSource> = new Set([
  TrackSource.UNKNOWN,
  TrackSource.MICROPHONE,
  TrackSource.SCREEN_SHARE_AUDIO,
]);
const VIDEO_CODECS: ReadonlySet<VideoCodec> = new Set([
  VideoCodec.DEFAULT_VC,
  VideoCodec.H264_BASELINE,
  VideoCodec.VP8,
]);
