import { createHmac } from 'node:crypto';
import { ICEServer } from '@livekit/protocol';
import type { ExternalTurnServer, RoomConfig } from './config.ts';

/** STUN and TURN servers for a participant (livekit-facts 12.2); `now` in milliseconds since the epoch. */
export function iceServers(config: RoomConfig, participantSid: string, now: number): ICEServer[] {
  const servers: ICEServer[] = [];
  const { stunServers, turnServers } = config.rtc;
  const embedded = config.embeddedTurn;
  if (embedded !== undefined && embedded.urls.length > 0) {
    servers.push(new ICEServer({ urls: embedded.urls, ...embedded.credentials(participantSid) }));
  }
  for (const server of turnServers) servers.push(externalTurn(server, participantSid, now));
  if (stunServers.length > 0) servers.push(stun(stunServers));
  const hasStun = embedded?.servesStun === true || turnServers.length > 0 || stunServers.length > 0;
  if (!hasStun) servers.push(stun(DEFAULT_STUN_SERVERS));
  return servers;
}

function externalTurn(server: ExternalTurnServer, participantSid: string, now: number): ICEServer {
  const scheme = server.protocol === 'tls' ? 'turns' : 'turn';
  const transport = server.protocol === 'udp' ? 'udp' : 'tcp';
  const urls = [`${scheme}:${server.host}:${server.port}?transport=${transport}`];
  if (server.secret === '') return new ICEServer({ urls, username: server.username, credential: server.credential });
  const ttl = Math.min(server.ttl > 0 ? server.ttl : DEFAULT_TTL_S, MAX_TTL_S);
  const username = `${Math.floor(now / 1000) + ttl}:${participantSid}`;
  const credential = createHmac('sha1', server.secret).update(username).digest('base64');
  return new ICEServer({ urls, username, credential });
}

function stun(hosts: readonly string[]): ICEServer {
  return new ICEServer({ urls: hosts.map((host) => `stun:${host}`) });
}

const DEFAULT_STUN_SERVERS = ['global.stun.twilio.com:3478', 'stun.l.google.com:19302', 'stun1.l.google.com:19302'];
const DEFAULT_TTL_S = 14_400;
const MAX_TTL_S = 86_400;
