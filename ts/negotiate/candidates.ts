/** ICE candidates between the signal protocol's JSON and the numbers a worker takes (livekit-facts 3.4). */

import { isIP, isIPv4 } from 'node:net';
import { parse } from 'sdp-transform';
import type { Candidate } from '../media/commands.ts';
import { fromSdpCandidate } from './sdp.ts';
import type { AddressRules } from './types.ts';

/**
 * Reads an RTCIceCandidateInit. Undefined for the end-of-candidates mark.
 *
 * @throws SyntaxError where the text is no JSON object with a `candidate` string.
 */
export function parseCandidateInit(text: string): Candidate | undefined {
  const init: unknown = JSON.parse(text);
  if (typeof init !== 'object' || init === null || !('candidate' in init) || typeof init.candidate !== 'string') {
    throw new SyntaxError('candidateInit has no candidate string');
  }
  const line = init.candidate.replace(/^a=/, '');
  if (line === '') return undefined;
  const body = line.startsWith('candidate:') ? line : `candidate:${line}`;
  const parsed = parse(`v=0\r\nm=audio 9 RTP/AVP 0\r\na=${body}\r\n`).media[0]?.candidates?.[0];
  if (parsed === undefined) throw new SyntaxError('candidate is malformed');
  return fromSdpCandidate(parsed);
}

/** The candidate itself where a worker can take it: it resolves no names. */
export function usable(candidate: Candidate): Candidate | undefined {
  if (isIP(candidate.ip) === 0) return undefined;
  if (!Number.isInteger(candidate.priority) || candidate.priority < 0 || candidate.priority > 0xffffffff)
    return undefined;
  if (!Number.isInteger(candidate.port) || candidate.port < 0 || candidate.port > 65535) return undefined;
  return candidate;
}

/** Our candidates as a client is to see them. */
export function ownCandidates(candidates: readonly Candidate[], rules: AddressRules): Candidate[] {
  const { translated, internalToo, externalOnly } = rules;
  const told = candidates.filter(({ ip }) => !externalOnly || !isIPv4(ip) || translated.has(ip));
  if (!internalToo) return told;
  const priorities = new Set(told.map(({ priority }) => priority));
  return told.flatMap((candidate) => {
    const internal = translated.get(candidate.ip);
    if (internal === undefined) return [candidate];
    let { priority } = candidate;
    // Lower by steps of local preference until it is nobody else's (RFC 8445 section 5.1.2).
    while (priorities.has(priority) && priority > PREFERENCE_STEP) priority -= PREFERENCE_STEP;
    priorities.add(priority);
    return [candidate, { ...candidate, ip: internal, foundation: `${candidate.foundation}i`, priority }];
  });
}

/** The JSON that clients feed to `addIceCandidate`. */
export function formatCandidateInit(candidate: Candidate, mid: string, ufrag: string): string {
  const { foundation, protocol, priority, ip, port, kind, tcpType } = candidate;
  const tcp = tcpType === undefined ? '' : ` tcptype ${tcpType}`;
  return JSON.stringify({
    candidate: `candidate:${foundation} 1 ${protocol} ${priority} ${ip} ${port} typ ${kind}${tcp}`,
    sdpMid: mid,
    sdpMLineIndex: 0,
    usernameFragment: ufrag,
  });
}

/** The local preference begins at the ninth bit. */
const PREFERENCE_STEP = 256;
