/**
 * Which codecs a session may use and how payload types of two sides are matched (livekit-facts 4.2).
 */

import type { Codec, MediaKind, PayloadMap } from '../media/commands.ts';
import type { SdpCodec } from './sdp.ts';
import type { EnabledCodec, PublishedPayload } from './types.ts';

const CODEC_NAMES: Record<string, Codec> = {
  opus: 'opus',
  red: 'red',
  pcmu: 'pcmu',
  pcma: 'pcma',
  vp8: 'vp8',
  vp9: 'vp9',
  h264: 'h264',
  h265: 'h265',
  av1: 'av1',
};

/** The codec of a rtpmap name or of the part of a mime type behind `/`; undefined for what we don't forward. */
export function codecOf(name: string): Codec | undefined {
  return CODEC_NAMES[name.toLowerCase()];
}

/** `video/vp8` and the like, as TrackInfo spells it. */
export function mimeOf(codec: Codec): string {
  return `${kindOf(codec)}/${codec}`;
}

export function kindOf(codec: Codec): MediaKind {
  return codec === 'opus' || codec === 'red' || codec === 'pcmu' || codec === 'pcma' ? 'audio' : 'video';
}

/** `key=value;…` with lower-case keys. */
function params(fmtp: string): Map<string, string> {
  return new Map(
    fmtp
      .split(';')
      .map((part) => part.trim().split('='))
      .filter((pair) => pair[0] !== '')
      .map((pair) => [pair[0]?.toLowerCase() ?? '', pair[1] ?? '']),
  );
}

/** Profile (profile_idc and constraint flags, the two bytes before the level) and packetization mode. */
function h264Variant(fmtp: string): { profile: string; mode: string } {
  const values = params(fmtp);
  return {
    profile: (values.get('profile-level-id') ?? '420010').slice(0, 4).toLowerCase(),
    mode: values.get('packetization-mode') ?? '0',
  };
}

const H264_CONSTRAINED_BASELINE = '42e0';
const H264_HIGH = '6400';

/** True where two payload formats of one codec can carry the same packets. */
function sameFormat(codec: Codec, a: string, b: string): boolean {
  switch (codec) {
    case 'h264': {
      const left = h264Variant(a);
      const right = h264Variant(b);
      return left.profile === right.profile && left.mode === right.mode;
    }
    case 'vp9':
      return (params(a).get('profile-id') ?? '0') === (params(b).get('profile-id') ?? '0');
    case 'av1':
      return (params(a).get('profile') ?? '0') === (params(b).get('profile') ?? '0');
    default:
      return true;
  }
}

/** True where the format is one that the room's codec list lets in. */
function isEnabled(codec: SdpCodec, enabled: readonly EnabledCodec[]): boolean {
  const known = codecOf(codec.name);
  if (known === undefined) return false;
  const lines = fmtpLines(enabled).get(known) ?? [];
  return lines.some((line) => (line === '' ? isCommonFormat(known, codec.fmtp) : sameFormat(known, line, codec.fmtp)));
}

/** The `fmtpLine`s of each codec that is let in. Lists are shared by many clients, and none changes. */
function fmtpLines(enabled: readonly EnabledCodec[]): ReadonlyMap<Codec, readonly string[]> {
  const known = linesOf.get(enabled);
  if (known !== undefined) return known;
  const lines = new Map<Codec, string[]>();
  for (const { mime, fmtpLine } of enabled) {
    const codec = codecOf(mime.split('/')[1] ?? '');
    if (codec !== undefined) lines.set(codec, [...(lines.get(codec) ?? []), fmtpLine]);
  }
  linesOf.set(enabled, lines);
  return lines;
}

const linesOf = new WeakMap<readonly EnabledCodec[], ReadonlyMap<Codec, readonly string[]>>();

/** Formats that an entry without fmtp enables; the others must be named exactly. */
function isCommonFormat(codec: Codec, fmtp: string): boolean {
  switch (codec) {
    case 'h264': {
      const { profile } = h264Variant(fmtp);
      return profile === H264_CONSTRAINED_BASELINE || profile === H264_HIGH;
    }
    case 'vp9':
      return ['0', '1'].includes(params(fmtp).get('profile-id') ?? '0');
    case 'av1':
      return (params(fmtp).get('profile') ?? '0') === '0';
    default:
      return true;
  }
}

/** The offered codecs that are enabled, in the offer's order. RED stays only while its inner codec does. */
export function enabledCodecs(offered: SdpCodec[], enabled: readonly EnabledCodec[]): SdpCodec[] {
  const kept = offered.filter((codec) => isEnabled(codec, enabled));
  return kept.filter((codec) => codecOf(codec.name) !== 'red' || redPrimary(codec, kept) !== undefined);
}

/** The payload type inside a RED format (`111/111`), if it is among these. */
export function redPrimary(red: SdpCodec, codecs: SdpCodec[]): SdpCodec | undefined {
  const pt = Number(red.fmtp.split('/')[0]);
  return codecs.find((codec) => codec.pt === pt && codecOf(codec.name) === 'opus');
}

/** Without H264 high profile, which we never offer to receivers. */
export function withoutHighProfile(codecs: SdpCodec[]): SdpCodec[] {
  return codecs.filter((codec) => codecOf(codec.name) !== 'h264' || h264Variant(codec.fmtp).profile !== H264_HIGH);
}

/** Puts a codec's formats first and keeps the order of the rest. */
export function preferCodec(codecs: readonly SdpCodec[], preferred: Codec): SdpCodec[] {
  const is = (codec: SdpCodec) => codecOf(codec.name) === preferred;
  return [...codecs.filter(is), ...codecs.filter((codec) => !is(codec))];
}

/**
 * Maps what a publisher sends to what a subscriber takes, or undefined where the subscriber can't decode it.
 * H264 falls back to another profile with the same packetization mode: decoders take more than they list.
 */
export function mapPayloads(
  published: PublishedPayload[],
  codec: Codec,
  accepted: SdpCodec[],
): PayloadMap[] | undefined {
  const maps: PayloadMap[] = [];
  for (const payload of published) {
    const target = findTarget(payload, accepted);
    if (target !== undefined) maps.push({ from: payload.pt, to: target.pt, rtx: target.rtxPt });
  }
  const usable = published.some((payload) => payload.codec === codec && maps.some((map) => map.from === payload.pt));
  return usable ? maps : undefined;
}

function findTarget(payload: PublishedPayload, accepted: SdpCodec[]): SdpCodec | undefined {
  const same = accepted.filter((codec) => codecOf(codec.name) === payload.codec);
  const exact = same.find((codec) => sameFormat(payload.codec, codec.fmtp, payload.fmtp));
  if (exact !== undefined || payload.codec !== 'h264') return exact;
  const { mode } = h264Variant(payload.fmtp);
  return same.find((codec) => h264Variant(codec.fmtp).mode === mode);
}

/**
 * The formats we write when we offer (livekit-facts 4.2): payload types are fixed, RTX is the next number. Made once per
 * list and shared: not to be modified.
 */
export function offeredFormats(kind: MediaKind, enabled: readonly EnabledCodec[]): readonly SdpCodec[] {
  let known = offeredOf[kind].get(enabled);
  if (known === undefined) {
    const all = kind === 'audio' ? AUDIO_FORMATS : VIDEO_FORMATS;
    const kept = all.filter((codec) => isEnabled(codec, enabled) || isNamed(codec, enabled));
    known = withoutHighProfile(enabledCodecs(kept, enabled));
    offeredOf[kind].set(enabled, known);
  }
  return known;
}

const offeredOf: Record<MediaKind, WeakMap<readonly EnabledCodec[], readonly SdpCodec[]>> = {
  audio: new WeakMap(),
  video: new WeakMap(),
};

function isNamed(codec: SdpCodec, enabled: readonly EnabledCodec[]): boolean {
  return enabled.some(
    (entry) => codecOf(entry.mime.split('/')[1] ?? '') === codecOf(codec.name) && entry.fmtpLine === codec.fmtp,
  );
}

export const AUDIO_FEEDBACK = ['nack'];
export const VIDEO_SEND_FEEDBACK = ['goog-remb', 'ccm fir', 'nack', 'nack pli'];
export const VIDEO_RECEIVE_FEEDBACK = ['transport-cc', 'ccm fir', 'nack', 'nack pli'];

function audio(pt: number, name: string, clockRate: number, channels: number, fmtp: string): SdpCodec {
  return { pt, name, clockRate, channels, fmtp, feedback: name === 'red' ? [] : AUDIO_FEEDBACK, rtxPt: null };
}

function video(pt: number, name: string, fmtp: string): SdpCodec {
  return { pt, name, clockRate: 90_000, channels: 1, fmtp, feedback: VIDEO_SEND_FEEDBACK, rtxPt: pt + 1 };
}

function h264(pt: number, profile: string, mode: number): SdpCodec {
  return video(pt, 'H264', `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`);
}

const AUDIO_FORMATS: SdpCodec[] = [
  audio(111, 'opus', 48_000, 2, 'minptime=10;useinbandfec=1'),
  audio(63, 'red', 48_000, 2, '111/111'),
  audio(0, 'PCMU', 8_000, 1, ''),
  audio(8, 'PCMA', 8_000, 1, ''),
];

const VIDEO_FORMATS: SdpCodec[] = [
  video(96, 'VP8', ''),
  video(98, 'VP9', 'profile-id=0'),
  video(100, 'VP9', 'profile-id=1'),
  h264(125, '42e01f', 0),
  h264(108, '42e01f', 1),
  h264(104, '42001f', 0),
  h264(102, '42001f', 1),
  h264(39, '4d001f', 0),
  h264(106, '4d001f', 1),
  video(35, 'AV1', ''),
  video(116, 'H265', ''),
];
