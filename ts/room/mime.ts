import type { Codec } from '../media/commands.ts';

/** `video/vp8` for `VP8`, `vp8`, `video/VP8`; lower case as TrackInfo carries it. */
export function normalizeMime(kind: 'audio' | 'video', name: string): string {
  const lower = name.toLowerCase();
  return lower.includes('/') ? lower : `${kind}/${lower}`;
}

/** The bare name: `vp8` for `video/VP8`. */
export function codecName(mime: string): string {
  return mime.slice(mime.indexOf('/') + 1).toLowerCase();
}

/** The codec a mime type names; undefined for any that the media plane does not know. */
export function codecOfMime(mime: string): Codec | undefined {
  const name = codecName(mime);
  return isCodec(name) ? name : undefined;
}

export function mimeOfCodec(codec: Codec): string {
  return `${AUDIO_CODECS.has(codec) ? 'audio' : 'video'}/${codec}`;
}

export function isAudioMime(mime: string): boolean {
  return mime.toLowerCase().startsWith('audio/');
}

export function isVideoMime(mime: string): boolean {
  return mime.toLowerCase().startsWith('video/');
}

export function isRtx(mime: string): boolean {
  return codecName(mime) === 'rtx';
}

export function sameMime(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Codecs that carry all spatial layers in one stream. */
export function isSvcMime(mime: string): boolean {
  const name = codecName(mime);
  return name === 'vp9' || name === 'av1';
}

function isCodec(name: string): name is Codec {
  return AUDIO_CODECS.has(name) || VIDEO_CODECS.has(name);
}

const AUDIO_CODECS: ReadonlySet<string> = new Set(['opus', 'red', 'pcmu', 'pcma']);
const VIDEO_CODECS: ReadonlySet<string> = new Set(['vp8', 'vp9', 'h264', 'h265', 'av1']);
