/** A cable that loses, delays and reorders: two TUN devices and the program between them (`crates/sim/src/bin/link.rs`). */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Plug } from './lab.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = `${ROOT}target/debug/link`;

/** Times in milliseconds, shares from 0 to 1, rate in bits per second, queue in bytes. */
export interface Weather {
  delay?: number;
  jitter?: number;
  loss?: number;
  reorder?: number;
  'reorder-by'?: number;
  duplicate?: number;
  rate?: number;
  queue?: number;
}

/** So that a run can be repeated. */
const seed = Number(process.env.NETWORK_SEED ?? Math.floor(Math.random() * 1e9));

export class Link {
  static #count = 0;
  readonly #program: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(program: ChildProcess) {
    this.#program = program;
    if (program.stdout === null) throw new Error('the link has no output');
    this.#reader = createInterface(program.stdout);
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Lays it and brings both ends up. The weather is fine at first. */
  static async lay(first: Plug, second: Plug, mtu = 1500): Promise<Link> {
    buildOnce();
    Link.#count += 1;
    // At most 15 characters, and unlike those of other runs until they are in their namespaces.
    const devices = ['a', 'b'].map((end) => `sl${process.pid}-${Link.#count}${end}`);
    console.log(`link with NETWORK_SEED=${seed}`);
    const program = spawn(PROGRAM, [...devices, String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const link = new Link(program);
    await link.#answer('ready');
    for (const [index, plug] of [first, second].entries()) {
      const { namespace, name, addresses } = plug;
      const moved = spawnSync('ip', ['link', 'set', devices[index] ?? '', 'netns', namespace.name, 'name', name]);
      if (moved.status !== 0) throw new Error(`could not move a device: ${moved.stderr}`);
      namespace.up(name, addresses, mtu);
    }
    return link;
  }

  /** Changes the weather for what comes from the first or the second end, or for both. */
  async weather(from: 'first' | 'second' | 'both', weather: Weather): Promise<void> {
    const words = Object.entries(weather).map(([key, value]) => `${key}=${value}`);
    this.#program.stdin?.write(`${[from, ...words].join(' ')}\n`);
    await this.#answer('set');
  }

  async #answer(expected: string): Promise<void> {
    const { value, done } = await this.#lines.next();
    if (done || value !== expected) throw new Error(`the link said ${value ?? 'nothing'}`);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#program.once('exit', resolve));
    if (this.#program.exitCode !== null) return;
    this.#program.stdin?.end();
    await ended;
    this.#reader.close();
  }
}

let built = false;

function buildOnce(): void {
  if (built) return;
  const args = ['build', '--quiet', '--locked', '-p', 'sluice-sim', '--bin', 'link'];
  const result = spawnSync('cargo', args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  if (result.status !== 0) throw new Error('the link program does not build');
  built = true;
}
