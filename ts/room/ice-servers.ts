import { createHmac } from 'node:crypto';
import { ICEServer } from '@livekit/protocol';
import type { ExternalTurnServer, RoomConfig } from './config.ts';
import type { FallbackSettings } from './fallback.ts';

export interface IceServerOptions {
  participantSid: string;
  /** Milliseconds since the epoch. */
  now: number;
  /** The client is to relay over TLS: no other TURN server is named where there is one that speaks TLS. */
  tlsOnly: boolean;
}

/** STUN and TURN servers for a participant, in livekit-server's order (livekit-facts 12.2). */
export function iceServers(config: RoomConfig, options: IceServerOptions): ICEServer[] {
  const servers: ICEServer[] = [];
  const { stunServers, turnServers } = config.rtc;
  const tlsOnly = options.tlsOnly && speaksTurnTls(config);
  const embedded = config.embeddedTurn;
  const udpUrls = tlsOnly ? [] : (embedded?.udpUrls ?? []);
  const urls = embedded?.tlsUrl === undefined ? udpUrls : [...udpUrls, embedded.tlsUrl];
  if (embedded !== undefined && urls.length > 0) {
    servers.push(new ICEServer({ urls, ...embedded.credentials(options.participantSid, options.now) }));
  }
  for (const server of turnServers) {
    if (!tlsOnly || server.protocol === 'tls') servers.push(externalTurn(server, options));
  }
  if (stunServers.length > 0) servers.push(stun(stunServers));
  const hasStun = udpUrls.length > 0 || turnServers.length > 0 || stunServers.length > 0;
  if (!hasStun) servers.push(stun(DEFAULT_STUN_SERVERS));
  return servers;
}

/** True where clients can be sent to a TURN server over TLS. */
export function speaksTurnTls({ rtc, embeddedTurn }: RoomConfig): boolean {
  return embeddedTurn?.tlsUrl !== undefined || rtc.turnServers.some(({ protocol }) => protocol === 'tls');
}

export function fallbackSettings(config: RoomConfig): FallbackSettings {
  return { ...config.rtc.fallback, tls: config.rtc.fallback.tls && speaksTurnTls(config) };
}

function externalTurn(server: ExternalTurnServer, { participantSid, now }: IceServerOptions): ICEServer {
  const scheme = server.protocol === 'tls' ? 'turns' : 'turn';
  const transport = server.protocol === 'udp' ? 'udp' : 'tcp';
  const urls = [`${scheme}:${server.host}:${server.port}?transport=${transport}`];
  if (server.secret === '') return new ICEServer({ urls, username: server.username, credential: server.credential });
  const username = `${Math.floor(now / 1000) + lifetime(server.ttl)}:${participantSid}`;
  const credential = createHmac('sha1', server.secret).update(username).digest('base64');
  return new ICEServer({ urls, username, credential });
}

/** Seconds. livekit-server takes its other default for lifetimes below zero. */
function lifetime(ttl: number): number {
  if (ttl === 0) return DEFAULT_TTL_S;
  return ttl < 0 ? LEAST_TTL_S : Math.min(ttl, MAX_TTL_S);
}

function stun(hosts: readonly string[]): ICEServer {
  return new ICEServer({ urls: hosts.map((host) => `stun:${host}`) });
}

const DEFAULT_STUN_SERVERS = ['global.stun.twilio.com:3478', 'stun.l.google.com:19302', 'stun1.l.google.com:19302'];
const DEFAULT_TTL_S = 14_400;
const LEAST_TTL_S = 300;
const MAX_TTL_S = 86_400;
