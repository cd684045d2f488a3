/** Who wants to join where, from the address of its WebSocket. */

import { createHmac, timingSafeEqual } from 'node:crypto';

export interface Ticket {
  identity: string;
  room: string;
  /** Receives everything unasked. */
  autoSubscribe: boolean;
}

/** Undefined for what must not join: another path, or no token (JWT, HS256) of ours. */
export function readTicket(address: string, apiSecret: string): Ticket | undefined {
  const { pathname, searchParams } = new URL(address, 'ws://server');
  if (pathname !== '/rtc') return undefined;
  const [head = '', body = '', signature = ''] = (searchParams.get('access_token') ?? '').split('.');
  const expected = createHmac('sha256', apiSecret).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { sub?: string; video?: { room?: string } };
  return {
    identity: claims.sub ?? '',
    room: claims.video?.room ?? '',
    autoSubscribe: searchParams.get('auto_subscribe') !== '0',
  };
}
