/** The clock: tokens say from when until when they hold, so one that is off keeps clients out. */

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { type Finding, Findings } from './finding.ts';

/** Asks an NTP server, `host:port`. One that does not answer says nothing about the clock. */
export async function checkClock(server: string, now: () => number = Date.now): Promise<Finding[]> {
  const findings = new Findings('clock');
  try {
    judgeClock(await offsetBySntp(server, now), server, findings);
  } catch (error) {
    findings.skip(`not compared, ${server} did not tell the time: ${(error as Error).message}; --ntp names another`);
  }
  return findings.list;
}

/** `offsetMs`: what has to be added to this clock. */
export function judgeClock(offsetMs: number, other: string, findings: Findings): void {
  const seconds = Math.abs(offsetMs) / 1000;
  const text = `this clock is ${seconds.toFixed(1)} s ${offsetMs > 0 ? 'behind' : 'ahead of'} ${other}`;
  if (seconds <= TOLERATED_S) findings.ok(`this clock and ${other} agree within ${TOLERATED_S} s`);
  else if (seconds <= TOKEN_LEEWAY_S) findings.warn(`${text}: tokens may fail`, FIX);
  else findings.fail(`${text}: fresh tokens are refused`, FIX);
}

/** Milliseconds that this clock is behind (RFC 5905 section 8, a client of one exchange). */
export async function offsetBySntp(server: string, now: () => number): Promise<number> {
  const [, host = server, port = '123'] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(server) ?? [];
  const { address } = await withTimeout(lookup(host), 'its name was not resolved');
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  try {
    const request = Buffer.alloc(NTP_BYTES);
    request[0] = NTP_CLIENT;
    const sent = now();
    writeTimestamp(request, 40, sent);
    const answer = new Promise<Buffer>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (bytes) => {
        // Our timestamp comes back: it is the answer to this request and no other.
        if (bytes.length >= NTP_BYTES && bytes.subarray(24, 32).equals(request.subarray(40, 48))) resolve(bytes);
      });
      socket.send(request, Number(port), address, (error) => {
        if (error !== null) reject(error);
      });
    });
    const bytes = await withTimeout(answer, `no answer within ${TIMEOUT_MS / 1000} s`);
    const received = now();
    return (readTimestamp(bytes, 32) - sent + (readTimestamp(bytes, 40) - received)) / 2;
  } finally {
    socket.close();
  }
}

function writeTimestamp(bytes: Buffer, at: number, ms: number): void {
  bytes.writeUInt32BE(Math.floor(ms / 1000) + NTP_EPOCH_S, at);
  bytes.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4);
}

function readTimestamp(bytes: Buffer, at: number): number {
  return (bytes.readUInt32BE(at) - NTP_EPOCH_S) * 1000 + (bytes.readUInt32BE(at + 4) / 2 ** 32) * 1000;
}

async function withTimeout<T>(promise: Promise<T>, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Public, and many machines ask it already. */
export const DEFAULT_NTP_SERVER = 'pool.ntp.org:123';
const TIMEOUT_MS = 2000;
const TOLERATED_S = 5;
/** As the server lets tokens be early or late (ts/auth/token.ts). */
const TOKEN_LEEWAY_S = 60;
const FIX = 'let NTP set the clock: `timedatectl set-ntp true`, or chrony';
const NTP_BYTES = 48;
/** Version 4, mode client. */
const NTP_CLIENT = 0x23;
/** From 1900 to 1970. */
const NTP_EPOCH_S = 2_208_988_800;
