/** Which grant a call needs; missing and insufficient ones get the same answer (livekit-facts 2.2, 5.1). */

import type { Claims, VideoGrant } from '../auth/grants.ts';
import { RpcError } from '../lib/rpc-error.ts';

type Who = Claims | undefined;

function require(claims: Who, allowed: (grant: VideoGrant) => boolean): void {
  if (claims?.video === undefined || !allowed(claims.video)) {
    throw new RpcError('unauthenticated', 'permissions denied');
  }
}

export function requireRoomCreate(claims: Who): void {
  require(claims, (grant) => grant.roomCreate);
}

export function requireRoomList(claims: Who): void {
  require(claims, (grant) => grant.roomList);
}

export function requireRoomAdmin(claims: Who, room: string): void {
  require(claims, (grant) => grant.roomAdmin && grant.room === room);
}

export function requireDestination(claims: Who, room: string, destination: string): void {
  require(claims, (grant) => grant.roomAdmin && grant.room === room && grant.destinationRoom === destination);
}

export function requireRoomRecord(claims: Who): void {
  require(claims, (grant) => grant.roomRecord);
}

export function requireIngressAdmin(claims: Who): void {
  require(claims, (grant) => grant.ingressAdmin);
}

export function requireSip(claims: Who, which: 'admin' | 'call'): void {
  if (claims?.sip?.[which] !== true) throw new RpcError('unauthenticated', 'permissions denied');
}
