/**
 * Finds out which addresses the world sees: from each local address, STUN servers are asked, and a datagram to what they
 * tell must come back (livekit-facts 12.4).
 */

import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP, isIPv4, SocketAddress } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeBindingResponse, encodeBindingRequest } from '../lib/stun.ts';
import type { Discovered, Discovery } from './addresses.ts';

export interface DiscoveryOptions {
  /** `host:port`, IPv6 addresses in brackets. */
  stunServers: readonly string[];
  /** Local ports, tried in turn while they are in use: those of media, which a firewall lets in. */
  ports: readonly number[];
  /** Whether a datagram to the external address must come back. */
  selfCheck: boolean;
  times?: DiscoveryTimes;
}

/** Milliseconds. */
export interface DiscoveryTimes {
  /** For names of servers. */
  resolve: number;
  /** What passes after each request or probe until the next one, and after the last until it counts as lost. */
  waits: readonly number[];
}

interface StunServer {
  /** As configured. */
  name: string;
  ip: string;
  port: number;
}

/** Asks from all addresses at once. Never rejects: what fails says so in the result. */
export async function discoverExternal(locals: readonly string[], options: DiscoveryOptions): Promise<Discovery> {
  const { resolve, waits } = options.times ?? TIMES;
  const known = await Promise.all(options.stunServers.map((server) => resolveServer(server, resolve)));
  const unknown = known.flatMap((server) => (server instanceof Error ? [server.message] : []));
  const servers = known.flatMap((server) => (server instanceof Error ? [] : server));
  const asked = locals.map(async (local): Promise<[string, Discovered]> => {
    const mine = servers.filter(({ ip }) => isIPv4(ip) === isIPv4(local));
    if (mine.length === 0) {
      const why = servers.length === 0 ? [] : [`no STUN server has an IPv${isIPv4(local) ? 4 : 6} address`];
      return [local, { failure: [...why, ...unknown].join(', ') }];
    }
    return [local, await askFrom(local, mine, options, waits)];
  });
  const defaults = [4, 6].map((version) => defaultSource(servers.find(({ ip }) => isIP(ip) === version)));
  return {
    found: new Map(await Promise.all(asked)),
    defaults: (await Promise.all(defaults)).filter((ip) => ip !== undefined),
  };
}

/** `host:port` apart; undefined where it is something else. */
export function parseStunServer(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([\da-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6)) return undefined;
  return Number(port) >= 1 && Number(port) <= 65_535 ? { host, port: Number(port) } : undefined;
}

async function resolveServer(name: string, timeoutMs: number): Promise<StunServer[] | Error> {
  const server = parseStunServer(name);
  if (server === undefined) return new Error(`${name} is not host:port`);
  try {
    const answers = await within(timeoutMs, lookup(server.host, { all: true }));
    if (answers === undefined) return new Error(`${server.host} was not resolved in time`);
    return [4, 6].flatMap((family) =>
      answers
        .filter((answer) => answer.family === family)
        .slice(0, MAX_ADDRESSES_PER_SERVER)
        .map(({ address }) => ({ name, ip: address, port: server.port })),
    );
  } catch (error) {
    return new Error(`${server.host} is not resolved (${codeOf(error)})`);
  }
}

async function askFrom(
  local: string,
  servers: readonly StunServer[],
  { ports, selfCheck }: DiscoveryOptions,
  waits: readonly number[],
): Promise<Discovered> {
  const socket = await bindFirst(local, ports);
  if (typeof socket === 'string') return { failure: socket };
  try {
    const answer = await ask(socket, servers, waits);
    if (typeof answer === 'string') return { failure: answer };
    if (!selfCheck) return { ...answer, selfCheck: 'skipped' };
    return { ...answer, selfCheck: (await comesBack(socket, answer.external, waits)) ? 'passed' : 'failed' };
  } finally {
    await closed(socket);
  }
}

/** A socket on the first port that is free; why not where there is none. */
async function bindFirst(ip: string, ports: readonly number[]): Promise<Socket | string> {
  let failure = 'no port to ask from';
  for (const port of ports) {
    const socket = createSocket({ type: isIPv4(ip) ? 'udp4' : 'udp6' });
    const error = await new Promise<Error | undefined>((resolve) => {
      socket.once('error', resolve);
      socket.bind({ address: ip, port, exclusive: true }, () => resolve(undefined));
    });
    // From here on errors are those of single datagrams, and a lost datagram is one that is sent again.
    socket.on('error', () => {});
    if (error === undefined) return socket;
    await closed(socket);
    failure = `can't bind UDP port ${port}: ${codeOf(error)}`;
    if (codeOf(error) !== 'EADDRINUSE') break;
  }
  return failure;
}

/** The first answer of any server; why not where there is none. */
async function ask(socket: Socket, servers: readonly StunServer[], waits: readonly number[]) {
  const requests = servers.map((server) => ({ server, id: randomBytes(12) }));
  let unsent: string | undefined;
  const heard = new Promise<{ external: string; server: string }>((resolve) => {
    socket.on('message', (bytes, from) => {
      const response = decodeBindingResponse(bytes);
      const request = requests.find(
        ({ server, id }) =>
          response?.transactionId.equals(id) && server.port === from.port && sameIp(server.ip, from.address),
      );
      if (response === undefined || request === undefined) return;
      const external = response.mapped.ip;
      if (isIP(external) === isIP(request.server.ip)) resolve({ external, server: request.server.name });
    });
  });
  for (const wait of waits) {
    // The same id again: it is the same transaction (RFC 8489 section 6.2.1).
    for (const { server, id } of requests) {
      socket.send(encodeBindingRequest(id), server.port, server.ip, (error) => {
        if (error !== null) unsent = codeOf(error);
      });
    }
    const answer = await within(wait, heard);
    if (answer !== undefined) return answer;
  }
  const names = [...new Set(servers.map(({ name }) => name))].join(', ');
  return unsent === undefined ? `no answer from ${names}` : `can't send to ${names}: ${unsent}`;
}

/** Sends from elsewhere, as a client does: no mapping that asking left behind lets it through. */
async function comesBack(socket: Socket, external: string, waits: readonly number[]): Promise<boolean> {
  const token = randomBytes(16);
  const { port } = socket.address();
  const sender = createSocket({ type: isIPv4(external) ? 'udp4' : 'udp6' });
  sender.on('error', () => {});
  const heard = new Promise<true>((resolve) => {
    socket.on('message', (bytes) => {
      if (bytes.equals(token)) resolve(true);
    });
  });
  try {
    for (const wait of waits) {
      sender.send(token, port, external, () => {});
      if (await within(wait, heard)) return true;
    }
    return false;
  } finally {
    await closed(sender);
  }
}

/** The address that the system would send from; connecting sends nothing. */
async function defaultSource(server: StunServer | undefined): Promise<string | undefined> {
  if (server === undefined) return undefined;
  const socket = createSocket({ type: isIPv4(server.ip) ? 'udp4' : 'udp6' });
  try {
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.connect(server.port, server.ip, (error?: Error | null) => resolve(!error));
    });
    return connected ? socket.address().address : undefined;
  } finally {
    await closed(socket);
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(resolve));
}

/** Undefined after `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}

function sameIp(a: string, b: string): boolean {
  const [left, right] = [a, b].map((ip) => {
    const plain = ip.replace(/%.*$/, '');
    return new SocketAddress({ address: plain, family: isIPv4(plain) ? 'ipv4' : 'ipv6' }).address;
  });
  return left === right;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** Those of livekit-server. */
export const DEFAULT_STUN_SERVERS: readonly string[] = [
  'global.stun.twilio.com:3478',
  'stun.l.google.com:19302',
  'stun1.l.google.com:19302',
];
/** Three tries in as many seconds: a server that answers takes a tenth of one. */
const TIMES: DiscoveryTimes = { resolve: 2000, waits: [500, 1000, 1500] };
/** A name may have hundreds, and one that answers is enough. */
const MAX_ADDRESSES_PER_SERVER = 2;
