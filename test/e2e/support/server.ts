/**
 * A server process of its own for each test file, on free ports of the loopback interface.
 *
 * `E2E_SERVER` names another livekit-compatible binary to run the same tests against; `E2E_BUILT` takes ours from
 * `dist/` instead of the sources; `E2E_WORKERS` and `E2E_PLACEMENT` go into its config.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { AccessToken, RoomServiceClient, type VideoGrant } from 'livekit-server-sdk';
import { stringify } from 'yaml';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const KEY = 'testkey';
export const SECRET = 'a secret that is long enough for a test';

export interface TestServer {
  /** `ws://127.0.0.1:port`, or `wss` with `tls` in the configuration. */
  url: string;
  httpUrl: string;
  process: ChildProcess;
  rooms: RoomServiceClient;
  /** What the server printed so far. */
  output(): string;
  stop(): Promise<void>;
}

/** `extra` lies over the configuration, `env` over the environment. */
export async function startServer(
  extra: Record<string, unknown> = {},
  env: NodeJS.ProcessEnv = {},
): Promise<TestServer> {
  const port = await freePort();
  const config = merge(defaults(port), extra);
  const server = spawnServer(['--config-body', stringify(config)], env);
  // Certificates of tests are their own, so `NODE_TLS_REJECT_UNAUTHORIZED=0` has to be set for these.
  const url = `${'tls' in extra ? 'https' : 'http'}://127.0.0.1:${port}`;
  await untilHealthy(server, url);
  return {
    url: url.replace('http', 'ws'),
    httpUrl: url,
    process: server.child,
    rooms: new RoomServiceClient(url, KEY, SECRET),
    output: server.output,
    stop: () => stop(server.child),
  };
}

/** What every server under test is told. */
export function defaults(port: number): Record<string, unknown> {
  const rtc: Record<string, unknown> = {
    port_range_start: 50_000,
    port_range_end: 60_000,
    // Servers of other tests run beside this one.
    tcp_port: 0,
    node_ip: '127.0.0.1',
    enable_loopback_candidate: true,
    interfaces: { includes: ['lo'] },
  };
  if (process.env.E2E_SERVER === undefined) {
    if (process.env.E2E_WORKERS) rtc.workers = Number(process.env.E2E_WORKERS);
    if (process.env.E2E_PLACEMENT) rtc.worker_placement = process.env.E2E_PLACEMENT;
  }
  // livekit-server knows no such key, and waits for its last participant.
  const drain = process.env.E2E_SERVER === undefined ? { drain: { deadline: '100ms' } } : {};
  return { port, bind_addresses: ['127.0.0.1'], keys: { [KEY]: SECRET }, logging: { level: 'debug' }, rtc, ...drain };
}

/** `extra` laid over `base`, section by section. */
export function merge(base: Record<string, unknown>, extra: Record<string, unknown>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const former = result[key];
    result[key] = isObject(former) && isObject(value) ? merge(former, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Starts the server under test with these arguments; `inside` are the words before the command that put it elsewhere, `other`
 * is the binary of another server, empty for ours.
 */
export function spawnServer(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  inside: readonly string[] = [],
  other = process.env.E2E_SERVER ?? '',
) {
  const ours = process.env.E2E_BUILT ? ['dist/main.js'] : ['--import', 'tsx', 'ts/main.ts'];
  const [command, ...first] = [...inside, ...(other === '' ? [process.execPath, ...ours] : [other])];
  const child = spawn(command ?? '', [...first, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (process.env.E2E_LOG) process.stderr.write(chunk);
    });
  }
  return { child, output: () => text };
}

async function untilHealthy(server: { child: ChildProcess; output: () => string }, url: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    if (server.child.exitCode !== null) throw new Error(`the server ended at start:\n${server.output()}`);
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server did not get ready:\n${server.output()}`);
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  // A second signal forces; livekit-server waits for its last participant otherwise.
  const force = setTimeout(() => child.kill('SIGTERM'), 3_000);
  const kill = setTimeout(() => child.kill('SIGKILL'), 8_000);
  await ended;
  clearTimeout(force);
  clearTimeout(kill);
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A token to join a room with. */
export function joinToken(room: string, identity: string, grant: VideoGrant = {}, options: Partial<TokenOptions> = {}) {
  const token = new AccessToken(KEY, SECRET, { identity, ttl: '1h', ...options });
  token.addGrant({ roomJoin: true, room, canUpdateOwnMetadata: true, ...grant });
  return token.toJwt();
}

interface TokenOptions {
  name: string;
  metadata: string;
  attributes: Record<string, string>;
}

let rooms = 0;

/** A room name that no other test uses. */
export function freshRoom(): string {
  rooms += 1;
  return `room-${process.pid}-${rooms}`;
}
