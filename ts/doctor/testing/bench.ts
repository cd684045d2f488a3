/** A doctor with a configuration that is well but for what a test adds, on ports of its own. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { stringify } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { settle } from '../../config/settle.ts';
import { stunResponder } from '../../lib/testing/stun-responder.ts';
import { createLog } from '../../log/log.ts';
import { createServer } from '../../server.ts';
import { type DoctorOptions, doctor } from '../doctor.ts';
import type { Finding } from '../finding.ts';

export const KEY = 'testkey';
export const SECRET = 'a secret that is long enough for a test';

export interface Report {
  exitCode: number;
  findings: Finding[];
  /** As printed. */
  text: string;
}

type Tree = Record<string, unknown>;

/** What a configuration needs to be well, and who answers it. */
export interface Bench {
  /** As YAML, with what a test adds. */
  config(extra?: Tree): string;
  run(extra?: Tree, options?: DoctorOptions): Promise<Report>;
  readonly ports: { api: number; udp: number; tcp: number };
  close(): Promise<void>;
}

export async function bench(): Promise<Bench> {
  const stun = await stunResponder('127.0.0.1', ({ address, port }) => ({ ip: address, port }));
  const ntp = await ntpServer(0);
  const [api, udp, tcp] = [await freePort(), await freePort(), await freePort()];
  const base: Tree = {
    port: api,
    bind_addresses: ['127.0.0.1'],
    keys: { [KEY]: SECRET },
    rtc: {
      udp_port: udp,
      tcp_port: tcp,
      workers: 1,
      node_ip: '127.0.0.1',
      enable_loopback_candidate: true,
      interfaces: { includes: ['lo'] },
      ips: { includes: ['127.0.0.0/8'] },
      stun_servers: [`127.0.0.1:${stun.port}`],
    },
  };
  const config = (extra: Tree = {}) => stringify(merge(base, extra));
  return {
    config,
    ports: { api, udp, tcp },
    run: (extra, options = {}) => examine(config(extra), { ntp: `127.0.0.1:${ntp.port}`, timeout: '3', ...options }),
    close: async () => {
      await stun.close();
      ntp.close();
    },
  };
}

async function examine(body: string, options: DoctorOptions): Promise<Report> {
  const printed: string[] = [];
  const silent = createLog({ logging: { json: false, level: 'fatal' } }, () => {});
  const exitCode = await doctor({
    options: { ...options, json: true },
    configGiven: true,
    settle: () => settle(loadConfig({ body, overrides: [], strict: true }), false),
    createServer: (config: Config) => createServer(config, silent, '0.0.0'),
    print: (line) => printed.push(line),
  });
  const text = printed.join('\n');
  const { findings } = JSON.parse(text) as { findings: Finding[] };
  return { exitCode, findings, text };
}

function merge(base: Tree, extra: Tree): Tree {
  const result = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const former = result[key];
    result[key] = isTree(former) && isTree(value) ? merge(former, value) : value;
  }
  return result;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A port that nobody has, in neither protocol. */
export async function freePort(): Promise<number> {
  const server = createTcpServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Tells a time that is off by so many seconds. */
export async function ntpServer(offsetS: number): Promise<{ port: number; close(): void }> {
  const socket = createSocket('udp4');
  socket.on('message', (request, { address, port }) => {
    const answer = Buffer.alloc(48);
    answer[0] = 0x24;
    request.copy(answer, 24, 40, 48);
    const seconds = Date.now() / 1000 + offsetS + 2_208_988_800;
    for (const at of [32, 40]) {
      answer.writeUInt32BE(Math.floor(seconds), at);
      answer.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), at + 4);
    }
    socket.send(answer, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.unref();
  return { port: socket.address().port, close: () => socket.close() };
}

/** Answers each command with the next of these lines, the last one for ever. */
export async function redisServer(
  replies: readonly string[],
): Promise<{ port: number; commands: string[]; close(): void }> {
  const commands: string[] = [];
  const server: Server = createTcpServer((socket) => {
    let next = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      commands.push(bytes.toString());
      socket.write(`${replies[Math.min(next, replies.length - 1)]}\r\n`);
      next += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A test that fails does not close it.
  server.unref();
  return { port: (server.address() as AddressInfo).port, commands, close: () => server.close() };
}
