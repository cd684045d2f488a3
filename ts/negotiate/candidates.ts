/** ICE candidates between the signal protocol's JSON and the numbers a worker takes (livekit-facts 3.4). */

import { isIP } from 'node:net';
import { parse } from 'sdp-transform';
import type { Candidate } from '../media/commands.ts';
import { fromSdpCandidate } from './sdp.ts';

/**
 * Reads an RTCIceCandidateInit. Undefined for what a worker has no use for: the end-of-candidates mark, host names
 * (mDNS among them: a worker resolves nothing) and malformed addresses.
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
  return usable(fromSdpCandidate(parsed));
}

/** The candidate itself where a worker can take it. */
export function usable(candidate: Candidate): Candidate | undefined {
  if (isIP(candidate.ip) === 0) return undefined;
  if (!Number.isInteger(candidate.priority) || candidate.priority < 0 || candidate.priority > 0xffffffff)
    return undefined;
  if (!Number.isInteger(candidate.port) || candidate.port < 0 || candidate.port > 65535) return undefined;
  return candidate;
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
