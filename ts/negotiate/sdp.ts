/**
 * SDP text ⇄ the parts of it that negotiation reads and writes. Everything a client sends is checked here, once.
 */

import { parse, type SessionDescription, write } from 'sdp-transform';
import type { Candidate, Fingerprint, IceCredentials, MediaKind, UpSsrc } from '../media/commands.ts';

/** A description that can't be worked with; the message says which part. */
export class SdpError extends Error {
  override name = 'SdpError';
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface SdpCodec {
  pt: number;
  /** As spelled in rtpmap, for example `VP8` or `opus`. */
  name: string;
  clockRate: number;
  /** 1 where rtpmap names none. */
  channels: number;
  fmtp: string;
  /** `nack`, `nack pli`, `ccm fir`, … */
  feedback: string[];
  /** Payload type of its retransmissions. */
  rtxPt: number | null;
}

export interface SdpExtension {
  id: number;
  uri: string;
}

export interface MediaSection {
  kind: MediaKind;
  mid: string;
  /** Port 0 without bundle-only: the section is refused. */
  rejected: boolean;
  direction: Direction;
  codecs: SdpCodec[];
  extensions: SdpExtension[];
  /** Stream and track id of `a=msid`. */
  msid: { stream: string; track: string } | undefined;
  /** rids with their direction as written by the side that wrote the section. */
  rids: { id: string; direction: 'send' | 'recv' }[];
  ssrcs: UpSsrc[];
}

export interface ApplicationSection {
  kind: 'application';
  mid: string;
  rejected: boolean;
  protocol: string;
}

export type Section = MediaSection | ApplicationSection;

export interface RemoteDescription {
  ice: IceCredentials;
  iceLite: boolean;
  fingerprints: Fingerprint[];
  setup: 'actpass' | 'active' | 'passive';
  bundle: string[];
  sections: Section[];
  candidates: Candidate[];
}

/** 5,000 m-lines are an attack, not a meeting. */
const MAX_SECTIONS = 1024;

export function parseDescription(text: string): RemoteDescription {
  const sdp = parse(text);
  if (sdp.media.length === 0) throw new SdpError('the description has no media section');
  if (sdp.media.length > MAX_SECTIONS) throw new SdpError(`the description has more than ${MAX_SECTIONS} sections`);
  const blocks = text.split(/\r?\n(?=m=)/).slice(1);
  const sections = sdp.media.map((media, index) => parseSection(media, blocks[index] ?? ''));
  const first = sdp.media.find((media) => media.iceUfrag !== undefined) ?? sdp;
  const ufrag = first.iceUfrag;
  const pwd = first.icePwd;
  if (ufrag === undefined || pwd === undefined) throw new SdpError('ice-ufrag or ice-pwd is missing');
  const setup = sdp.media.find((media) => media.setup !== undefined)?.setup ?? sdp.setup ?? 'actpass';
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') throw new SdpError(`setup:${setup} is unknown`);
  const fingerprints = collectFingerprints(sdp);
  if (fingerprints.length === 0) throw new SdpError('the description has no fingerprint');
  return {
    ice: { ufrag: String(ufrag), pwd: String(pwd) },
    iceLite: sdp.icelite !== undefined,
    fingerprints,
    setup,
    // The library turns a lone number into one.
    bundle: String(sdp.groups?.find((group) => group.type === 'BUNDLE')?.mids ?? '').split(' '),
    sections,
    candidates: sdp.media.flatMap((media) => (media.candidates ?? []).map(fromSdpCandidate)),
  };
}

function collectFingerprints(sdp: SessionDescription): Fingerprint[] {
  const seen = new Map<string, Fingerprint>();
  for (const part of [sdp, ...sdp.media]) {
    if (part.fingerprint === undefined) continue;
    const fingerprint = { algorithm: part.fingerprint.type.toLowerCase(), value: part.fingerprint.hash };
    seen.set(`${fingerprint.algorithm} ${fingerprint.value.toUpperCase()}`, fingerprint);
  }
  return [...seen.values()];
}

type SdpMedia = SessionDescription['media'][number];

/** `block` is the section's own text, for what the library's grammar is too narrow for. */
function parseSection(media: SdpMedia, block: string): Section {
  const mid = media.mid === undefined ? undefined : String(media.mid);
  if (mid === undefined) throw new SdpError(`the ${media.type} section has no mid`);
  const rejected = media.port === 0 && media.bundleOnly === undefined;
  if (media.type === 'application') return { kind: 'application', mid, rejected, protocol: media.protocol };
  if (media.type !== 'audio' && media.type !== 'video') throw new SdpError(`media type ${media.type} is unknown`);
  return {
    kind: media.type,
    mid,
    rejected,
    direction: media.direction ?? 'sendrecv',
    codecs: parseCodecs(media),
    extensions: (media.ext ?? []).map((ext) => ({ id: ext.value, uri: ext.uri })),
    msid: parseMsid(media, block),
    rids: (media.rids ?? []).map((rid) => ({
      id: String(rid.id),
      direction: rid.direction === 'recv' ? 'recv' : 'send',
    })),
    ssrcs: parseSsrcs(media),
  };
}

function parseCodecs(media: SdpMedia): SdpCodec[] {
  const fmtps = new Map(media.fmtp.map((line) => [line.payload, line.config]));
  const rtx = new Map<number, number>();
  for (const line of media.rtp) {
    if (line.codec.toLowerCase() !== 'rtx') continue;
    const apt = /(?:^|;)\s*apt=(\d+)/.exec(fmtps.get(line.payload) ?? '')?.[1];
    if (apt !== undefined) rtx.set(Number(apt), line.payload);
  }
  return media.rtp
    .filter((line) => line.codec.toLowerCase() !== 'rtx')
    .map((line) => ({
      pt: line.payload,
      name: line.codec,
      clockRate: Number(line.rate ?? 0),
      channels: Number(line.encoding ?? 1),
      fmtp: fmtps.get(line.payload) ?? '',
      feedback: (media.rtcpFb ?? [])
        .filter((fb) => fb.payload === '*' || Number(fb.payload) === line.payload)
        .map((fb) => (fb.subtype ? `${fb.type} ${fb.subtype}` : fb.type)),
      rtxPt: rtx.get(line.payload) ?? null,
    }));
}

/** Ids hold more than letters: Firefox puts braces around them, LiveKit a bar between. */
function parseMsid(media: SdpMedia, block: string): MediaSection['msid'] {
  const [, stream, track] = /^a=msid:(\S+)(?: (\S+))?/m.exec(block) ?? [];
  if (stream !== undefined) {
    // A single token names the track; the stream is then unknown.
    return track === undefined ? { stream: '', track: stream } : { stream, track };
  }
  const old = (media.ssrcs ?? []).find((ssrc) => ssrc.attribute === 'msid')?.value?.split(' ');
  return old?.[0] === undefined ? undefined : { stream: old[0], track: old[1] ?? old[0] };
}

function parseSsrcs(media: SdpMedia): UpSsrc[] {
  const all = [...new Set((media.ssrcs ?? []).map((line) => Number(line.id)))];
  const groups = (media.ssrcGroups ?? []).map((group) => ({
    semantics: group.semantics,
    ssrcs: String(group.ssrcs).split(' ').map(Number),
  }));
  const repairs = new Map<number, number>();
  for (const { semantics, ssrcs } of groups) {
    const [primary, repair] = ssrcs;
    if (semantics === 'FID' && primary !== undefined && repair !== undefined) repairs.set(primary, repair);
  }
  const repairing = new Set(repairs.values());
  const order = groups.find((group) => group.semantics === 'SIM')?.ssrcs ?? all;
  return order
    .filter((ssrc) => !repairing.has(ssrc) && ssrc > 0 && ssrc <= 0xffffffff)
    .map((ssrc) => ({ ssrc, rtx: repairs.get(ssrc) ?? null }));
}

type SdpCandidate = NonNullable<SdpMedia['candidates']>[number];

export function fromSdpCandidate(line: SdpCandidate): Candidate {
  const candidate: Candidate = {
    foundation: String(line.foundation),
    protocol: line.transport.toLowerCase(),
    priority: Number(line.priority),
    ip: line.ip,
    port: line.port,
    kind: line.type,
  };
  if (line.tcptype !== undefined) candidate.tcpType = line.tcptype;
  return candidate;
}

/** A section as we write it: refused sections keep their place with port 0. */
export interface LocalMediaSection extends MediaSection {
  /** Present where we send: our SSRCs, each with its CNAME and msid. */
  cname: string;
}

export type LocalSection = LocalMediaSection | ApplicationSection;

export interface LocalDescription {
  sessionId: string;
  version: number;
  ice: IceCredentials;
  iceLite: boolean;
  fingerprint: Fingerprint;
  setup: 'actpass' | 'active' | 'passive';
  sections: LocalSection[];
  candidates: Candidate[];
}

export function writeDescription(local: LocalDescription): string {
  const bundled = local.sections.filter((section) => !section.rejected).map((section) => section.mid);
  const session: SessionDescription = {
    version: 0,
    origin: {
      username: '-',
      sessionId: local.sessionId,
      sessionVersion: local.version,
      netType: 'IN',
      ipVer: 4,
      address: '0.0.0.0',
    },
    name: '-',
    timing: { start: 0, stop: 0 },
    groups: [{ type: 'BUNDLE', mids: bundled.join(' ') }],
    extmapAllowMixed: 'extmap-allow-mixed',
    msidSemantic: { semantic: 'WMS', token: '*' },
    media: local.sections.map((section, index) => writeSection(local, section, index === 0)),
  };
  if (local.iceLite) session.icelite = 'ice-lite';
  return write(session);
}

function writeSection(local: LocalDescription, section: LocalSection, first: boolean): SdpMedia {
  const transport = {
    mid: section.mid,
    connection: { version: 4, ip: '0.0.0.0' },
    iceUfrag: local.ice.ufrag,
    icePwd: local.ice.pwd,
    iceOptions: 'trickle',
    fingerprint: { type: local.fingerprint.algorithm, hash: local.fingerprint.value },
    setup: local.setup,
    ...(first && !section.rejected && local.candidates.length > 0
      ? { candidates: local.candidates.map(toSdpCandidate), endOfCandidates: 'end-of-candidates' as const }
      : {}),
  };
  const port = section.rejected ? 0 : 9;
  if (section.kind === 'application') {
    return {
      type: 'application',
      port,
      protocol: section.protocol,
      payloads: 'webrtc-datachannel',
      rtp: [],
      fmtp: [],
      ...transport,
      sctpPort: 5000,
      maxMessageSize: MAX_MESSAGE_SIZE,
    };
  }
  return {
    type: section.kind,
    port,
    protocol: 'UDP/TLS/RTP/SAVPF',
    ...transport,
    ...writeCodecs(section),
    rtcpMux: 'rtcp-mux',
    rtcpRsize: 'rtcp-rsize',
    direction: section.rejected ? 'inactive' : section.direction,
    ext: section.extensions.map(({ id, uri }) => ({ value: id, uri })),
    ...writeRids(section),
    ...writeSender(section),
  };
}

function writeCodecs(section: MediaSection): Pick<SdpMedia, 'payloads' | 'rtp' | 'fmtp' | 'rtcpFb'> {
  const rtp: SdpMedia['rtp'] = [];
  const fmtp: SdpMedia['fmtp'] = [];
  const rtcpFb: NonNullable<SdpMedia['rtcpFb']> = [];
  for (const codec of section.codecs) {
    rtp.push({
      payload: codec.pt,
      codec: codec.name,
      rate: codec.clockRate,
      ...(codec.channels > 1 ? { encoding: codec.channels } : {}),
    });
    if (codec.fmtp !== '') fmtp.push({ payload: codec.pt, config: codec.fmtp });
    for (const feedback of codec.feedback) {
      const [type = '', subtype] = feedback.split(' ');
      rtcpFb.push({ payload: codec.pt, type, ...(subtype === undefined ? {} : { subtype }) });
    }
    if (codec.rtxPt !== null) {
      rtp.push({ payload: codec.rtxPt, codec: 'rtx', rate: codec.clockRate });
      fmtp.push({ payload: codec.rtxPt, config: `apt=${codec.pt}` });
    }
  }
  // A refused section must still name a payload type.
  const payloads = rtp.length > 0 ? rtp.map((line) => line.payload).join(' ') : '0';
  return { payloads, rtp, fmtp, rtcpFb };
}

function writeRids(section: MediaSection): Pick<SdpMedia, 'rids' | 'simulcast'> {
  if (section.rids.length === 0) return {};
  const direction = section.rids[0]?.direction ?? 'recv';
  return {
    rids: section.rids.map((rid) => ({ id: rid.id, direction: rid.direction })),
    simulcast: { dir1: direction, list1: section.rids.map((rid) => rid.id).join(';') },
  };
}

function writeSender(section: LocalMediaSection): Pick<SdpMedia, 'msid' | 'ssrcs' | 'ssrcGroups'> {
  if (section.msid === undefined) return {};
  const { stream, track } = section.msid;
  const ssrcs: NonNullable<SdpMedia['ssrcs']> = [];
  const ssrcGroups: NonNullable<SdpMedia['ssrcGroups']> = [];
  for (const { ssrc, rtx } of section.ssrcs) {
    for (const id of rtx === null ? [ssrc] : [ssrc, rtx]) {
      ssrcs.push({ id, attribute: 'cname', value: section.cname });
      ssrcs.push({ id, attribute: 'msid', value: `${stream} ${track}` });
    }
    if (rtx !== null) ssrcGroups.push({ semantics: 'FID', ssrcs: `${ssrc} ${rtx}` });
  }
  return { msid: [{ id: stream, appdata: track }], ssrcs, ssrcGroups };
}

function toSdpCandidate(candidate: Candidate): SdpCandidate {
  return {
    foundation: candidate.foundation,
    component: 1,
    transport: candidate.protocol,
    priority: candidate.priority,
    ip: candidate.ip,
    port: candidate.port,
    type: candidate.kind,
    ...(candidate.tcpType === undefined ? {} : { tcptype: candidate.tcpType }),
  };
}

/** Bytes; what our SCTP takes in one message. */
const MAX_MESSAGE_SIZE = 262_144;
