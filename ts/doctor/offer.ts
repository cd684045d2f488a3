/** The least offer that a server answers: one data channel section (RFC 8841), and what it answers. */

import { randomInt } from 'node:crypto';
import { parseCandidateInit } from '../negotiate/candidates.ts';
import { parseDescription, type RemoteDescription } from '../negotiate/sdp.ts';
import type { RemoteSide } from './prober.ts';

export interface LocalIce {
  ufrag: string;
  pwd: string;
}

export function newIce(): LocalIce {
  const word = (length: number) => Array.from({ length }, () => ICE_CHARS[randomInt(ICE_CHARS.length)]).join('');
  return { ufrag: word(8), pwd: word(24) };
}

export function writeOffer({ ufrag, pwd }: LocalIce, fingerprint: string): string {
  return [
    'v=0',
    `o=- ${randomInt(2 ** 40)} 1 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    'a=msid-semantic: WMS *',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${fingerprint}`,
    'a=setup:actpass',
    'a=mid:0',
    'a=sctp-port:5000',
    'a=max-message-size:262144',
    '',
  ].join('\r\n');
}

/** A candidate of the server that can be tried: UDP, or TCP that waits for connections. */
export interface ServerCandidate {
  protocol: 'udp' | 'tcp';
  ip: string;
  port: number;
}

export interface Answer {
  remote: RemoteSide;
  candidates: ServerCandidate[];
}

/** Throws where the answer can't be worked with. */
export function readAnswer(sdp: string): Answer {
  const description = parseDescription(sdp);
  const { ice, iceLite, setup, fingerprints, candidates } = description;
  return {
    remote: {
      ...ice,
      lite: iceLite,
      active: setup === 'active',
      fingerprints: fingerprints.map(({ algorithm, value }) => [algorithm, value]),
    },
    candidates: candidates.flatMap(usable),
  };
}

/** Empty for the end-of-candidates mark, and for what can't be tried. */
export function readCandidate(init: string): ServerCandidate[] {
  const candidate = parseCandidateInit(init);
  return candidate === undefined ? [] : usable(candidate);
}

function usable({ protocol, ip, port, tcpType }: RemoteDescription['candidates'][number]): ServerCandidate[] {
  const name = protocol.toLowerCase();
  if (name === 'udp') return [{ protocol: 'udp', ip, port }];
  return name === 'tcp' && tcpType === 'passive' ? [{ protocol: 'tcp', ip, port }] : [];
}

const ICE_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
