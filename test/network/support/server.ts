/** The server under test inside a namespace, with a configuration that docs/deploy.md shows. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { KEY, merge, SECRET, spawnServer, stop } from '../../e2e/support/server.ts';
import { documented } from './documented.ts';
import { SERVER } from './internet.ts';
import type { Namespace } from './lab.ts';

const METRICS_PORT = 6789;

type Config = Record<string, unknown>;

export class InnerServer {
  /** As clients reach its signal connection. */
  readonly url: string;
  readonly #namespace: Namespace;
  readonly #process: ReturnType<typeof spawnServer>;

  private constructor(namespace: Namespace, started: ReturnType<typeof spawnServer>, url: string) {
    this.#namespace = namespace;
    this.#process = started;
    this.url = url;
  }

  /** Starts it as the document says under these names, with changes laid over it. `host`: as clients name it. */
  static async start(
    namespace: Namespace,
    names: readonly string[],
    changes: Config = {},
    host = SERVER,
  ): Promise<InnerServer> {
    const config = configuration(names, changes);
    const [command, args] = namespace.command('env');
    const started = spawnServer(['--config-body', stringify(config)], {}, [command, ...args]);
    const scheme = config.tls === undefined ? 'ws' : 'wss';
    const server = new InnerServer(namespace, started, `${scheme}://${host}:${config.port}`);
    try {
      await server.#untilReady();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** What it printed so far. */
  output(): string {
    return this.#process.output();
  }

  /** Asserts how many peer connections take which path, as in `{ udp: 2 }`. Only ours tells. */
  async carries(expected: Record<string, number>): Promise<void> {
    if (process.env.E2E_SERVER !== undefined) return;
    const text = await this.metrics();
    const lines = [...text.matchAll(/^sluice_connections\{path="([\w-]+)".*\} (\d+)$/gm)];
    const counts = lines.map(([, path, count]) => [path, Number(count)] as const).filter(([, count]) => count !== 0);
    assert.deepEqual(Object.fromEntries(counts), expected);
  }

  /** As Prometheus reads them. */
  metrics(): Promise<string> {
    return fetchInside(this.#namespace, `http://127.0.0.1:${METRICS_PORT}/metrics`, 5_000);
  }

  async stop(): Promise<void> {
    await stop(this.#process.child);
  }

  async #untilReady(): Promise<void> {
    // The metrics come with the rest and are plain HTTP whatever the port for clients is.
    const ready = fetchInside(this.#namespace, `http://127.0.0.1:${METRICS_PORT}/metrics`, 30_000);
    const { child } = this.#process;
    const ended = new Promise<never>((_, reject) => {
      child.once('exit', () => reject(new Error(`the server ended at start:\n${this.output()}`)));
    });
    await Promise.race([ready, ended]);
  }
}

function configuration(names: readonly string[], changes: Config): Config {
  const common: Config = { keys: { [KEY]: SECRET }, logging: { level: 'debug' }, prometheus: { port: METRICS_PORT } };
  return [...names.map(documented), changes].reduce(merge, common);
}

/** Fetches from within a namespace, trying for so many milliseconds. */
async function fetchInside(namespace: Namespace, url: string, patience: number): Promise<string> {
  const script = `
    const deadline = Date.now() + ${patience};
    for (;;) {
      try {
        const response = await fetch(${JSON.stringify(url)});
        process.stdout.write(await response.text());
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }`;
  const [command, args] = namespace.command(process.execPath, ['--input-type=module', '--eval', script]);
  return (await promisify(execFile)(command, args, { maxBuffer: 8 << 20 })).stdout;
}
