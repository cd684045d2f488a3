/**
 * Server processes on one Redis, each on ports of its own.
 *
 * With `E2E_SERVER=/path/to/livekit-server` every node that a test does not say more of is one of that binary: that shows
 * that a scenario tests the contract. `LIVEKIT_SERVER` names the binary for tests that put both kinds into one fleet.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { AgentDispatchClient, RoomServiceClient } from 'livekit-server-sdk';
import { stringify } from 'yaml';
import { defaults, freePort, KEY, merge, SECRET, spawnServer } from '../../e2e/support/server.ts';

export type NodeKind = 'sluice' | 'livekit';
type Config = Record<string, unknown>;

/** Of the nodes that a test does not say more of. */
export const DEFAULT_KIND: NodeKind = process.env.E2E_SERVER === undefined ? 'sluice' : 'livekit';

const LIVEKIT_BINARY = process.env.LIVEKIT_SERVER ?? process.env.E2E_SERVER;

/** Why a test of a mixed fleet cannot run here; false where it can. */
export const WITHOUT_LIVEKIT =
  process.env.LIVEKIT_SERVER === undefined ? 'LIVEKIT_SERVER names no livekit-server binary' : false;

/** Why a test of what livekit-server does not do does not run; false where it does. */
export const ONLY_OURS = DEFAULT_KIND === 'livekit' ? 'livekit-server does not do this' : false;

export interface NodeSettings {
  kind?: NodeKind;
  /** The `redis` section. */
  redis: Config;
  /** Laid over what every test server is told. */
  config?: Config;
  /** Words before the command, as `faketime`. */
  inside?: readonly string[];
}

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class ClusterNode {
  readonly kind: NodeKind;
  readonly port: number;
  /** `ws://127.0.0.1:port` */
  readonly url: string;
  readonly httpUrl: string;
  readonly rooms: RoomServiceClient;
  readonly dispatches: AgentDispatchClient;
  readonly child: ChildProcess;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ending>;
  /** What it printed so far. */
  readonly output: () => string;

  private constructor(kind: NodeKind, port: number, started: ReturnType<typeof spawnServer>) {
    this.kind = kind;
    this.port = port;
    this.url = `ws://127.0.0.1:${port}`;
    this.httpUrl = `http://127.0.0.1:${port}`;
    this.rooms = new RoomServiceClient(this.httpUrl, KEY, SECRET);
    this.dispatches = new AgentDispatchClient(this.httpUrl, KEY, SECRET);
    this.child = started.child;
    this.output = started.output;
    this.ended = once(started.child, 'exit').then(([code, signal]) => ({ code, signal }) as Ending);
  }

  /** Resolves when it serves. */
  static async start(settings: NodeSettings): Promise<ClusterNode> {
    const { kind = DEFAULT_KIND, redis, config = {}, inside = [] } = settings;
    const port = await freePort();
    const whole = merge(merge(common(kind, port), { redis }), config);
    const binary = kind === 'livekit' ? (LIVEKIT_BINARY ?? '') : '';
    const started = spawnServer(['--config-body', stringify(whole)], {}, inside, binary);
    const node = new ClusterNode(kind, port, started);
    await node.#untilServing();
    return node;
  }

  /** `ND_…`, as it logs it at its start. */
  get id(): string {
    const id = /"nodeID": ?"(ND_\w+)"/.exec(this.output())?.[1];
    if (id === undefined) throw new Error(`the node did not tell its id:\n${this.output()}`);
    return id;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The status that it answers a path with; 0 where it does not answer in time. */
  async status(path: string, timeout = 1_000): Promise<number> {
    try {
      return (await fetch(this.httpUrl + path, { signal: AbortSignal.timeout(timeout) })).status;
    } catch {
      return 0;
    }
  }

  /** As the kernel does when memory is short. */
  async kill(): Promise<void> {
    if (this.running) this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Asks it to end, and insists. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGTERM'), 200);
    const kill = setTimeout(() => this.child.kill('SIGKILL'), 7_000);
    await this.ended;
    clearTimeout(force);
    clearTimeout(kill);
  }

  async #untilServing(): Promise<void> {
    const deadline = Date.now() + 40_000;
    while (Date.now() < deadline) {
      if (!this.running) throw new Error(`the node ended at start:\n${this.output()}`);
      if ((await this.status('/')) === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.kill();
    throw new Error(`the node did not get ready:\n${this.output()}`);
  }
}

export class Fleet {
  readonly nodes: ClusterNode[] = [];

  /** Starts all at once; where one fails none is left behind. */
  static async start(settings: readonly NodeSettings[]): Promise<Fleet> {
    const fleet = new Fleet();
    try {
      await fleet.add(...settings);
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  /** More nodes, all started at once; resolves when all serve. */
  async add(...settings: readonly NodeSettings[]): Promise<ClusterNode[]> {
    const started = await Promise.allSettled(settings.map((one) => ClusterNode.start(one)));
    const added = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    this.nodes.push(...added);
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    return added;
  }

  node(index: number): ClusterNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`the fleet has no node ${index}`);
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

/** What every test server is told, less the keys that livekit-server does not know. */
function common(kind: NodeKind, port: number): Config {
  const { drain, ...known } = defaults(port);
  return kind === 'livekit' || drain === undefined ? known : { ...known, drain };
}

/** Resolves with what a condition gives once it is neither false nor undefined; polls. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeout = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeout;
  let failure: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`, { cause: failure });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
