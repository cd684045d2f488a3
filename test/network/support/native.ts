/** The test's end of an `@livekit/rtc-node` client in a namespace (`../native-client.ts`). */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Requests, State } from '../native-client.ts';
import type { Namespace } from './lab.ts';

const PROGRAM = fileURLToPath(new URL('../native-client.ts', import.meta.url));

export class NativeClient {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #requests = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    process.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the native client ended'));
      this.#waiting.clear();
    });
  }

  /** Trusts the authority in this file beside those of the system, but for TURN. */
  static start(namespace: Namespace, authorityFile = ''): NativeClient {
    const trust = authorityFile === '' ? [] : [`SSL_CERT_FILE=${authorityFile}`];
    const [command, args] = namespace.command('env', [...trust, process.execPath, '--import', 'tsx', PROGRAM]);
    const output = process.env.E2E_CONSOLE ? 'inherit' : 'ignore';
    return new NativeClient(spawn(command, args, { stdio: ['ignore', output, output, 'ipc'] }));
  }

  #ask<N extends keyof Requests>(name: N, ...args: Parameters<Requests[N]>): ReturnType<Requests[N]> {
    const id = this.#requests++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // One that ended rejects what waits.
      if (this.#process.connected) this.#process.send({ id, name, args });
      else reject(new Error('the native client ended'));
    }) as ReturnType<Requests[N]>;
  }

  join(url: string, token: string, relayOnly = false): Promise<void> {
    return this.#ask('join', url, token, relayOnly);
  }

  /** Publishes a green picture. */
  show(): Promise<void> {
    return this.#ask('show');
  }

  /** Sends everybody a text, reliably. */
  say(text: string): Promise<void> {
    return this.#ask('say', text);
  }

  state(): Promise<State> {
    return this.#ask('state');
  }

  /** The longest time without a new frame since the last question, milliseconds. */
  gap(): Promise<number> {
    return this.#ask('gap');
  }

  /** How its transports send, in the words of `PageClient.routes`. */
  routes(): Promise<string[]> {
    return this.#ask('routes');
  }

  /** Packets of video received so far. */
  videoPackets(): Promise<number> {
    return this.#ask('videoPackets');
  }

  /** Resolves once the client's state is as wanted. */
  async until(condition: (state: State) => boolean, what: string, timeout = 20_000): Promise<void> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const state = await this.state();
      if (condition(state)) return;
      if (Date.now() > deadline) throw new Error(`the native client timed out: ${what}; ${JSON.stringify(state)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    const force = setTimeout(() => this.#process.kill('SIGKILL'), 5_000);
    this.#process.disconnect();
    await ended;
    clearTimeout(force);
  }
}
