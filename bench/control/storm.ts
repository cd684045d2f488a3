/**
 * Joins over real sockets, without media: how long until the join response, and what a join costs the server.
 *
 *     node --import tsx bench/control/storm.ts <pid> <ws url> <key> <secret> [clients] [at once | N/s]
 *
 * Clients come with two peer connections, answer the first offer and stay until all are in; their transports never
 * connect, so that handshakes are not in the figures. The process is measured from /proc, all its threads together.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionDescription, SignalRequest, SignalResponse } from '@livekit/protocol';
import { AccessToken } from 'livekit-server-sdk';
import { WebSocket } from 'ws';
import { answerTo, DATA_OFFER } from './descriptions.ts';

const [pid = '', url = '', key = '', secret = '', clients = '100', pace = '8'] = process.argv.slice(2);
const count = Number(clients);
const room = `storm-${Date.now()}`;

interface Joined {
  readonly socket: WebSocket;
  readonly joinMs: number;
  readonly offerMs: number;
}

const tokens: string[] = [];
for (let index = 0; index < count; index += 1) {
  const token = new AccessToken(key, secret, { identity: `client-${index}`, ttl: '1h' });
  token.addGrant({ roomJoin: true, room });
  tokens.push(await token.toJwt());
}

const refused = new Map<string, number>();
const cpuBefore = cpuMs(pid);
const residentBefore = residentKb(pid);
const began = performance.now();
const joined = pace.endsWith('/s') ? await atRate(Number(pace.slice(0, -2))) : await atOnce(Number(pace));
const seconds = (performance.now() - began) / 1000;
const cpu = cpuMs(pid) - cpuBefore;
await sleep(1000);
const report = (name: string, values: number[]) => {
  values.sort((a, b) => a - b);
  const at = (share: number) =>
    (values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0).toFixed(1);
  console.log(`${name}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`);
};
console.log(
  `${joined.length} joined in ${seconds.toFixed(1)} s, refused: ${JSON.stringify(Object.fromEntries(refused))}`,
);
report(
  'join response',
  joined.map(({ joinMs }) => joinMs),
);
report(
  'first offer',
  joined.map(({ offerMs }) => offerMs).filter((ms) => ms > 0),
);
console.log(`CPU: ${(cpu / count).toFixed(2)} ms per join`);
console.log(`memory: ${((residentKb(pid) - residentBefore) / count).toFixed(0)} kB per participant`);
for (const { socket } of joined) socket.terminate();
process.exit(0);

async function atOnce(slots: number): Promise<Joined[]> {
  const all: Joined[] = [];
  const waiting = [...tokens];
  const work = async () => {
    for (let token = waiting.shift(); token !== undefined; token = waiting.shift()) {
      const one = await join(token);
      if (one !== undefined) all.push(one);
    }
  };
  await Promise.all(Array.from({ length: slots }, work));
  return all;
}

async function atRate(perSecond: number): Promise<Joined[]> {
  const joining = tokens.map(async (token, index) => {
    await sleep((index * 1000) / perSecond);
    return join(token);
  });
  return (await Promise.all(joining)).flatMap((one) => one ?? []);
}

/** Undefined where it was refused. */
function join(token: string): Promise<Joined | undefined> {
  const started = performance.now();
  const query = new URLSearchParams({ access_token: token, protocol: '17', sdk: 'js', version: '2.21.0' });
  const socket = new WebSocket(`${url}/rtc?${query}`, { perMessageDeflate: false });
  let joinMs = 0;
  return new Promise((resolve) => {
    const refuse = (reason: string) => {
      refused.set(reason, (refused.get(reason) ?? 0) + 1);
      resolve(undefined);
    };
    socket.on('unexpected-response', (_request, response) => {
      refuse(`${response.statusCode} Retry-After: ${response.headers['retry-after'] ?? 'none'}`);
    });
    socket.on('error', (error) => refuse(error.message));
    socket.on('message', (data: Buffer) => {
      // join = 1, offer = 3 (livekit_rtc.proto, SignalResponse): others are not worth decoding here.
      if (data[0] === 0x0a && joinMs === 0) {
        joinMs = performance.now() - started;
        send(socket, { case: 'offer', value: new SessionDescription({ type: 'offer', sdp: DATA_OFFER, id: 1 }) });
      }
      if (data[0] !== 0x1a) return;
      const { message } = SignalResponse.fromBinary(data);
      if (message.case !== 'offer') return;
      const { id, sdp } = message.value;
      send(socket, { case: 'answer', value: new SessionDescription({ type: 'answer', sdp: answerTo(sdp), id }) });
      resolve({ socket, joinMs, offerMs: performance.now() - started });
    });
  });
}

function send(socket: WebSocket, message: SignalRequest['message']): void {
  socket.send(new SignalRequest({ message }).toBinary());
}

/** User and system time of all threads; USER_HZ is 100 on every Linux that Node runs on. */
function cpuMs(process: string): number {
  const fields = readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function residentKb(process: string): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process}/status`, 'utf8'))?.[1] ?? 0);
}
