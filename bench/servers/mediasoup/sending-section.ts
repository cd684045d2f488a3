/** A section on which a client sends: what mediasoup is told of it, and what the client is answered. */

import type { LocalSection, MediaSection, SdpCodec } from '../../../ts/negotiate/sdp.ts';
import type { CodecParameters, Encoding, Feedback, RtpCodec, RtpParameters } from './api.ts';
import { isReceived } from './capabilities.ts';

/** What the announcement of a track says of its stream. */
export interface Announcement {
  /** `vp8` and the like; undefined leaves it to the section, which then has one worth speaking of. */
  codec: string | undefined;
  /** In one stream; 1 without SVC. */
  layers: number;
}

export function rtpParametersOf(section: MediaSection, announcement: Announcement): RtpParameters {
  const codec = codecOf(section, announcement);
  return {
    mid: section.mid,
    codecs: rtpCodecs(section, codec),
    headerExtensions: section.extensions.filter(({ uri }) => isReceived(section.kind, uri)),
    encodings: encodingsOf(section, announcement),
    rtcp: { cname: section.msid?.track ?? section.mid, reducedSize: true },
  };
}

/** Accepts what `rtpParametersOf` told mediasoup. */
export function answerTo(section: MediaSection, announcement: Announcement): LocalSection {
  const codec = codecOf(section, announcement);
  return {
    kind: section.kind,
    mid: section.mid,
    rejected: false,
    direction: 'recvonly',
    codecs: [{ ...codec, feedback: codec.feedback.filter((line) => FEEDBACK[section.kind].has(line)) }],
    extensions: section.extensions.filter(({ uri }) => isReceived(section.kind, uri)),
    msid: undefined,
    rids: section.rids.map(({ id }) => ({ id, direction: 'recv' })),
    ssrcs: [],
    cname: '',
  };
}

function codecOf({ kind, mid, codecs }: MediaSection, { codec: name }: Announcement): SdpCodec {
  const codec = codecs.find((one) => name === undefined || one.name.toLowerCase() === name);
  if (codec === undefined) throw new Error(`the ${kind} section ${mid} has no codec ${name ?? ''}`.trimEnd());
  return codec;
}

function rtpCodecs({ kind }: MediaSection, codec: SdpCodec): RtpCodec[] {
  const media: RtpCodec = {
    mimeType: `${kind}/${codec.name}`,
    payloadType: codec.pt,
    clockRate: codec.clockRate,
    ...(codec.channels > 1 ? { channels: codec.channels } : {}),
    parameters: parametersOf(codec.fmtp),
    rtcpFeedback: codec.feedback.filter((line) => FEEDBACK[kind].has(line)).map(feedbackOf),
  };
  if (codec.rtxPt === null) return [media];
  const { pt, clockRate, rtxPt } = codec;
  return [media, { mimeType: `${kind}/rtx`, payloadType: rtxPt, clockRate, parameters: { apt: pt } }];
}

/** Streams of simulcast are known by their rids, from the lowest on; their SSRCs come with the packets. */
function encodingsOf({ rids, ssrcs }: MediaSection, { layers }: Announcement): Encoding[] {
  if (rids.length > 0) return rids.map(({ id }) => ({ rid: id }));
  return ssrcs.map(({ ssrc, rtx }) => ({
    ssrc,
    ...(rtx === null ? {} : { rtx: { ssrc: rtx } }),
    ...(layers > 1 ? { scalabilityMode: `L${layers}T1` } : {}),
  }));
}

/** `minptime=10;useinbandfec=1`; numbers become numbers, as mediasoup compares them. */
function parametersOf(fmtp: string): CodecParameters {
  const entries = fmtp.split(';').flatMap((part): [string, string | number][] => {
    const [key = '', value = ''] = part.trim().split('=');
    return key === '' ? [] : [[key, /^\d+$/.test(value) ? Number(value) : value]];
  });
  return Object.fromEntries(entries);
}

function feedbackOf(line: string): Feedback {
  const [type = '', parameter] = line.split(' ');
  return parameter === undefined ? { type } : { type, parameter };
}

const FEEDBACK = {
  audio: new Set(['nack']),
  video: new Set(['nack', 'nack pli', 'ccm fir', 'transport-cc']),
};
