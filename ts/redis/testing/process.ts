/** One redis-server (or Sentinel) process of a test: on loopback, in a directory of its own, without persistence. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';

export interface RedisProcessOptions {
  /** Lines of redis.conf; `port` and `bind` are added. */
  readonly config?: readonly string[];
  readonly port?: number;
  readonly sentinel?: boolean;
  /** How the test itself connects. */
  readonly connect?: RedisOptions;
  /** Files beside redis.conf, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** `port` is closed and `tls-port` is open instead. */
  readonly tls?: boolean;
}

export class RedisProcess {
  readonly port: number;
  readonly directory: string;
  readonly #options: RedisProcessOptions;
  #connect: RedisOptions;
  #child: ChildProcess | undefined;
  #control: Redis | undefined;

  private constructor(port: number, directory: string, options: RedisProcessOptions) {
    this.port = port;
    this.directory = directory;
    this.#options = options;
    this.#connect = options.connect ?? {};
  }

  static async start(options: RedisProcessOptions = {}): Promise<RedisProcess> {
    const port = options.port ?? (await freePort());
    const directory = await mkdtemp(join(tmpdir(), 'sluice-redis-'));
    for (const [name, content] of Object.entries(options.files ?? {})) await writeFile(join(directory, name), content);
    const started = new RedisProcess(port, directory, options);
    await started.restart();
    return started;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Asks the server something as the test, over a connection of its own. */
  async command(...words: (string | number)[]): Promise<unknown> {
    const [name = 'PING', ...rest] = words;
    return this.control().call(String(name), ...rest);
  }

  /** The test's own connection. */
  control(): Redis {
    this.#control ??= open(this.port, this.#connect);
    return this.#control;
  }

  /** From now on the test logs in with this password. */
  useCredentials(credentials: Pick<RedisOptions, 'username' | 'password'>): void {
    this.#closeControl();
    this.#connect = { ...this.#connect, ...credentials };
  }

  /** Without a goodbye: SIGKILL. */
  async kill(): Promise<void> {
    this.#closeControl();
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Starts an empty one in its place, on the same port. Resolves when it answers. */
  async restart(): Promise<void> {
    await this.kill();
    const { sentinel = false } = this.#options;
    const file = join(this.directory, 'redis.conf');
    await writeFile(file, this.#lines().join('\n'));
    const child = spawn('redis-server', [file, ...(sentinel ? ['--sentinel'] : [])], { stdio: 'ignore' });
    this.#child = child;
    ALIVE.add(child);
    child.once('exit', () => {
      ALIVE.delete(child);
      if (this.#child === child) this.#child = undefined;
    });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    });
    failed.catch(() => {});
    await Promise.race([this.#answers(), failed]);
  }

  /** SIGSTOP: connections stay, nothing answers. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async setConfig(name: string, value: string): Promise<void> {
    await this.command('CONFIG', 'SET', name, value);
  }

  /** Ends it and removes its directory. Idempotent. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  #lines(): string[] {
    const { sentinel = false, config = [], tls = false } = this.#options;
    return [
      ...(tls ? ['port 0', `tls-port ${this.port}`] : [`port ${this.port}`]),
      'bind 127.0.0.1',
      `dir ${this.directory}`,
      ...(sentinel ? [] : ['save ""', 'appendonly no', 'repl-diskless-sync-delay 0']),
      ...config,
    ];
  }

  async #answers(): Promise<void> {
    for (;;) {
      try {
        await this.command('PING');
        return;
      } catch (error) {
        if (!(error instanceof Error) || this.#child === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  #closeControl(): void {
    this.#control?.disconnect();
    this.#control = undefined;
  }
}

function open(port: number, settings: RedisOptions): Redis {
  const options: RedisOptions & { replyMapping?: 'legacy' } = {
    host: '127.0.0.1',
    port,
    protocol: 2,
    maxRetriesPerRequest: 2,
    retryStrategy: () => 20,
    connectTimeout: 2000,
    ...settings,
    replyMapping: 'legacy',
  };
  const redis = new Redis(options);
  redis.on('error', () => {});
  return redis;
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    // A cluster node also takes the port 10,000 above.
    if (address !== null && typeof address === 'object' && address.port < 55_000) return address.port;
  }
}

/** What a test that fails half-way leaves behind ends with its process. */
const ALIVE = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of ALIVE) child.kill('SIGKILL');
});
