import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Of one event, once the program runs. */
const EVENT_LIMIT_MS = 20_000;

const SOURCE = fileURLToPath(new URL('.', import.meta.url));

/** A call that the Go program is to make. */
export interface PeerCall {
  readonly method: string;
  readonly topic?: string;
  readonly text?: string;
  readonly number?: number;
}

export interface PeerOutcome {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
  /** How many messages are attached to the error. */
  readonly details?: number;
}

interface PeerLine extends PeerOutcome {
  readonly id?: number;
  readonly event?: string;
}

/** The Go program, once it is built; or why there is none. */
export function buildPeer(): { program: string } | { missing: string } {
  if (spawnSync('which', ['go']).status !== 0) return { missing: 'Go is not installed' };
  const folder = mkdtempSync(join(tmpdir(), 'sluice-psrpc-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'peer');
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: SOURCE, encoding: 'utf8' });
  if (built.status === 0) return { program };
  return { missing: `the Go program does not build here: ${built.stderr.trim().split('\n').at(-1)}` };
}

/** The Go library at work: it serves, and makes calls that it is told to make. */
export class Peer {
  readonly #process: ChildProcess;
  readonly #outcomes = new Map<number, (outcome: PeerOutcome) => void>();
  readonly #events: { event: string; value: unknown }[] = [];
  readonly #waiting: { event: string; heard: (value: unknown) => void }[] = [];
  #calls = 0;

  private constructor(program: string, address: string) {
    this.#process = spawn(program, [address], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#process.stdout ?? process.stdin });
    lines.on('line', (text) => this.#handleLine(JSON.parse(text)));
  }

  static async start(program: string, address: string): Promise<Peer> {
    const peer = new Peer(program, address);
    await peer.event('ready');
    return peer;
  }

  call(call: PeerCall): Promise<PeerOutcome> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve) => {
      this.#outcomes.set(id, resolve);
      this.#process.stdin?.write(`${JSON.stringify({ ...call, id })}\n`);
    });
  }

  /** The value of the next event of this name; each is told once. */
  event(name: string): Promise<unknown> {
    const at = this.#events.findIndex(({ event }) => event === name);
    if (at >= 0) return Promise.resolve(this.#events.splice(at, 1)[0]?.value);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the Go program did not tell ${name}`)), EVENT_LIMIT_MS);
      const heard = (value: unknown) => {
        clearTimeout(late);
        resolve(value);
      };
      this.#waiting.push({ event: name, heard });
    });
  }

  /** How many events of this name nobody asked for. */
  untold(name: string): number {
    return this.#events.filter(({ event }) => event === name).length;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  #handleLine({ id, event, ...outcome }: PeerLine): void {
    if (id !== undefined) this.#outcomes.get(id)?.(outcome);
    if (event === undefined) return;
    const at = this.#waiting.findIndex((one) => one.event === event);
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.heard(outcome.value);
    else this.#events.push({ event, value: outcome.value });
  }
}
