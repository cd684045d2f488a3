/** The Go program beside this file: an egress and an ingress worker on livekit's own psrpc. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('.', import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: protobuf as JSON, whatever the message
export type Json = any;

export interface Outcome {
  readonly value?: Json;
  readonly code?: string;
  readonly message?: string;
}

interface Line extends Outcome {
  readonly id?: number;
  readonly event?: string;
}

/** The program, once it is built; or why there is none. */
export function buildWorkers(): { program: string } | { missing: string } {
  if (spawnSync('which', ['go']).status !== 0) return { missing: 'Go is not installed' };
  const folder = mkdtempSync(join(tmpdir(), 'sluice-workers-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'workers');
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: SOURCE, encoding: 'utf8' });
  if (built.status === 0) return { program };
  return { missing: `the Go program does not build here: ${built.stderr.trim().split('\n').at(-1)}` };
}

export class Workers {
  readonly #process: ChildProcess;
  readonly #outcomes = new Map<number, (outcome: Outcome) => void>();
  /** What they were asked and what they told, oldest first. */
  readonly events: { readonly event: string; readonly value: Json }[] = [];
  #questions = 0;

  private constructor(program: string, address: string) {
    this.#process = spawn(program, [address], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#process.stdout ?? process.stdin });
    lines.on('line', (text) => this.#handleLine(JSON.parse(text)));
  }

  static async start(program: string, address: string): Promise<Workers> {
    const workers = new Workers(program, address);
    await workers.until('ready', () => true);
    return workers;
  }

  /** Has them ask the servers. */
  ask(method: string, request: object): Promise<Outcome> {
    this.#questions += 1;
    const id = this.#questions;
    return new Promise((resolve) => {
      this.#outcomes.set(id, resolve);
      this.#process.stdin?.write(`${JSON.stringify({ id, method, request })}\n`);
    });
  }

  /** The first event of this name with such a value; waits for it for 10 s. */
  async until(name: string, such: (value: Json) => boolean): Promise<Json> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const found = this.events.find(({ event, value }) => event === name && such(value));
      if (found !== undefined) return found.value;
      if (performance.now() > deadline) throw new Error(`workers were not told: ${name}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  #handleLine({ id, event, ...outcome }: Line): void {
    if (id !== undefined) this.#outcomes.get(id)?.(outcome);
    if (event !== undefined) this.events.push({ event, value: outcome.value });
  }
}
