/** A section on which a subscriber receives, from what mediasoup says of its consumer. */

import type { LocalSection, SdpCodec } from '../../../ts/negotiate/sdp.ts';
import type { CodecParameters, Feedback, Kind, RtpCodec, RtpParameters } from './api.ts';

export interface Sent {
  kind: Kind;
  mid: string;
  /** SIDs of participant and track. */
  publisher: string;
  track: string;
  parameters: RtpParameters;
}

export function sectionOf({ kind, mid, publisher, track, parameters }: Sent): LocalSection {
  return {
    kind,
    mid,
    rejected: false,
    direction: 'sendonly',
    codecs: codecsOf(parameters.codecs),
    extensions: parameters.headerExtensions.map(({ id, uri }) => ({ id, uri })),
    msid: { stream: publisher, track },
    rids: [],
    ssrcs: parameters.encodings.flatMap(({ ssrc, rtx }) =>
      ssrc === undefined ? [] : [{ ssrc, rtx: rtx?.ssrc ?? null }],
    ),
    cname: parameters.rtcp.cname,
  };
}

/** Keeps its place until another track of the kind takes it; a description of no formats is none, so it keeps one. */
export function emptySection(kind: Kind, mid: string): LocalSection {
  const codec: SdpCodec =
    kind === 'audio'
      ? { pt: 111, name: 'opus', clockRate: 48_000, channels: 2, fmtp: '', feedback: [], rtxPt: null }
      : { pt: 96, name: 'VP8', clockRate: 90_000, channels: 1, fmtp: '', feedback: [], rtxPt: null };
  return {
    kind,
    mid,
    rejected: false,
    direction: 'inactive',
    codecs: [codec],
    extensions: [],
    msid: undefined,
    rids: [],
    ssrcs: [],
    cname: '',
  };
}

/** mediasoup lists retransmissions beside their codec. */
function codecsOf(codecs: readonly RtpCodec[]): SdpCodec[] {
  const isRtx = ({ mimeType }: RtpCodec) => mimeType.endsWith('/rtx');
  return codecs
    .filter((codec) => !isRtx(codec))
    .map((codec) => ({
      pt: codec.payloadType,
      name: codec.mimeType.slice(codec.mimeType.indexOf('/') + 1),
      clockRate: codec.clockRate,
      channels: codec.channels ?? 1,
      fmtp: fmtpOf(codec.parameters ?? {}),
      feedback: (codec.rtcpFeedback ?? []).map(feedbackLine),
      rtxPt: codecs.find((other) => isRtx(other) && other.parameters?.apt === codec.payloadType)?.payloadType ?? null,
    }));
}

function fmtpOf(parameters: CodecParameters): string {
  return Object.entries(parameters)
    .map(([key, value]) => `${key}=${value}`)
    .join(';');
}

function feedbackLine({ type, parameter }: Feedback): string {
  return parameter ? `${type} ${parameter}` : type;
}
