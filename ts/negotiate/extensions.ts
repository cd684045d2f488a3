/** RTP header extensions: which we accept on which section, and their ids as workers want them (livekit-facts 4.3). */

import type { ExtensionIds, MediaKind } from '../media/commands.ts';
import type { SdpExtension } from './sdp.ts';

const URIS: Record<keyof ExtensionIds, string> = {
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  absCaptureTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  transportCc: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  playoutDelay: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  dependencyDescriptor: 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
};

type Name = keyof ExtensionIds;

/** On sections the client sends on. */
const RECEIVE: Record<MediaKind, Name[]> = {
  audio: ['mid', 'rid', 'audioLevel', 'absCaptureTime'],
  video: ['mid', 'rid', 'transportCc', 'dependencyDescriptor', 'repairedRid', 'absCaptureTime'],
};

/** On sections we send on. */
const SEND: Record<MediaKind, Name[]> = {
  audio: ['absCaptureTime'],
  video: ['dependencyDescriptor', 'absCaptureTime', 'absSendTime'],
};

/** What of an offered list we accept where the client sends; single peer connections also take abs-send-time. */
export function acceptToReceive(offered: SdpExtension[], kind: MediaKind, singlePc: boolean): SdpExtension[] {
  const names = singlePc && kind === 'video' ? [...RECEIVE.video, 'absSendTime' as const] : RECEIVE[kind];
  return pick(offered, names);
}

/**
 * What of an offered list we accept on a section of a single peer connection where we send: everything that either way
 * uses. A browser offers a bundle's new sections only with what the others agreed on, and a section that is to carry
 * simulcast needs the rid extensions.
 */
export function acceptToSend(offered: SdpExtension[], kind: MediaKind, playoutDelay: boolean): SdpExtension[] {
  return pick(offered, [...RECEIVE[kind], ...SEND[kind], ...playout(kind, playoutDelay)]);
}

/** What we offer where we send; ids are ours. */
export function offerToSend(kind: MediaKind, playoutDelay: boolean): SdpExtension[] {
  return [...SEND[kind], ...playout(kind, playoutDelay)].map((name) => ({ id: OFFER_IDS[name] ?? 0, uri: URIS[name] }));
}

function playout(kind: MediaKind, enabled: boolean): Name[] {
  return enabled && kind === 'video' ? ['playoutDelay'] : [];
}

/** Ids of one bundle for sections of one kind. */
export function extensionIds(lists: SdpExtension[][]): ExtensionIds {
  const ids: ExtensionIds = {};
  for (const { id, uri } of lists.flat()) {
    for (const name of Object.keys(URIS) as Name[]) if (URIS[name] === uri) ids[name] = id;
  }
  return ids;
}

function pick(offered: SdpExtension[], names: Name[]): SdpExtension[] {
  const wanted = new Set(names.map((name) => URIS[name]));
  return offered.filter((extension) => wanted.has(extension.uri) && extension.id >= 1 && extension.id <= 255);
}

const OFFER_IDS: Partial<Record<Name, number>> = {
  absCaptureTime: 1,
  absSendTime: 2,
  dependencyDescriptor: 3,
  playoutDelay: 4,
};
