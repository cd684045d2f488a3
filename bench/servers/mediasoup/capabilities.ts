/** What routers forward, and what subscribers are taken to be able to. */

import type { CodecCapability, RtpCapabilities } from './api.ts';

/** Those that scenarios know; payload types are Sluice's. */
export const CODECS: readonly CodecCapability[] = [
  {
    kind: 'audio',
    mimeType: 'audio/opus',
    clockRate: 48_000,
    channels: 2,
    preferredPayloadType: 111,
    parameters: { minptime: 10, useinbandfec: 1 },
  },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000, preferredPayloadType: 96 },
  {
    kind: 'video',
    mimeType: 'video/VP9',
    clockRate: 90_000,
    preferredPayloadType: 98,
    parameters: { 'profile-id': 0 },
  },
];

/**
 * The load's clients take what mediasoup has, and so do these. Without estimation nothing of it is agreed on, so that
 * mediasoup neither numbers packets nor waits for anybody's estimate.
 */
export function subscriberCapabilities(router: RtpCapabilities, sendSideBwe: boolean): RtpCapabilities {
  const wanted = new Set([MID, AUDIO_LEVEL, DEPENDENCY_DESCRIPTOR, ...(sendSideBwe ? [TRANSPORT_CC] : [])]);
  return {
    codecs: router.codecs,
    headerExtensions: router.headerExtensions.filter(({ uri }) => wanted.has(uri)),
  };
}

/** Header extensions that are accepted of a publisher. */
export function isReceived(kind: 'audio' | 'video', uri: string): boolean {
  return RECEIVED[kind].has(uri);
}

const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const AUDIO_LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
const DEPENDENCY_DESCRIPTOR = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

/**
 * As Sluice and livekit-server accept them, but for capture times: mediasoup relies on them where they are agreed on, also
 * to switch layers, and the load, which has no camera, sends none.
 */
const RECEIVED = {
  audio: new Set([MID, AUDIO_LEVEL]),
  video: new Set([
    MID,
    'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
    'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
    TRANSPORT_CC,
    DEPENDENCY_DESCRIPTOR,
  ]),
};
