/** A server under test, and what becomes of its process. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { listens } from '../measure/proc.ts';
import type { Target } from '../scenario/request.ts';
import type { Scenario } from '../scenario/schema.ts';
import type { Network } from './network.ts';

/** One of those that are compared. */
export interface ServerKind {
  /** As tables call it. */
  name: string;
  version: string;
  /** Why a scenario can't be run on it; of servers that can't run all. */
  refusal?(scenario: Scenario): string | undefined;
  /** Resolves once it takes connections. */
  start(network: Network, settings: Scenario['server'], signal: AbortSignal): Promise<RunningServer>;
  /** Takes away what starting it needed; may be called again. */
  close(): void;
}

/** In words, of all servers that can't run a scenario. */
export function refusals(servers: readonly ServerKind[], scenario: Scenario): string[] {
  return servers.flatMap(({ name, refusal }) => {
    const reason = refusal?.(scenario);
    return reason === undefined ? [] : [`${scenario.name} can't be run on ${name}: ${reason}`];
  });
}

export interface RunningServer {
  pid: number;
  target: Target;
  /** The end of what it printed. */
  output(): string;
  /** Ends it; may be called again. */
  stop(): Promise<void>;
  /** What its Prometheus endpoint says; where it was asked for, of servers that have one. */
  metrics?: () => Promise<string>;
  /** Stops its event loop for as long as the scenario says; of servers that have one. */
  block?: () => void;
}

export interface Launch {
  /** For messages. */
  name: string;
  child: ChildProcess;
  /** TCP port that it listens on once it is ready. */
  port: number;
  target: Target;
}

export async function launched(launch: Launch, signal: AbortSignal): Promise<RunningServer> {
  const { name, child, port, target } = launch;
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-KEPT_OUTPUT);
    });
  }
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const server = { pid: child.pid ?? 0, target, output: () => text, stop: () => end(child) };
  try {
    const deadline = performance.now() + READY_WITHIN_MS;
    while (!listens(server.pid, port)) {
      if (failure !== undefined) throw new Error(`${name} could not be started: ${failure.message}`);
      if (hasEnded(child)) throw new Error(`${name} ended at start:\n${text}`);
      if (performance.now() > deadline) throw new Error(`${name} did not get ready:\n${text}`);
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** The first signal asks, the second asks not to wait for participants, the third does not ask. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const again = setTimeout(() => child.kill('SIGTERM'), 2_000);
  const kill = setTimeout(() => child.kill('SIGKILL'), 6_000);
  await ended;
  clearTimeout(again);
  clearTimeout(kill);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** What both servers are told alike. Logging costs CPU, so neither says more than warnings. */
export function commonConfig(network: Network, settings: Scenario['server'], port: number): Record<string, unknown> {
  return {
    port,
    keys: { [API_KEY]: API_SECRET },
    logging: { level: 'warn', json: true },
    rtc: {
      ...(settings.mux
        ? { udp_port: network.ports.first }
        : { port_range_start: network.ports.first, port_range_end: network.ports.last }),
      tcp_port: 0,
      node_ip: network.host,
      use_external_ip: false,
      interfaces: { includes: [network.device] },
      ...(network.kind === 'loopback' ? { enable_loopback_candidate: true } : {}),
      congestion_control: { use_send_side_bwe: settings.sendSideBwe },
    },
  };
}

export function livekitTarget(network: Network, port: number): Target {
  return { kind: 'livekit', url: `ws://${network.host}:${port}`, apiKey: API_KEY, apiSecret: API_SECRET };
}

const API_KEY = 'benchkey';
/** For servers of this run alone. */
const API_SECRET = 'a secret of a benchmark, long enough for everybody';
const READY_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 25;
/** Characters. */
const KEPT_OUTPUT = 20_000;
