/**
 * mediasoup, which is a library: the server around it is the benchmark's own, in the folder of the same name. It is no
 * dependency of ours: its worker is a program of its own that its package downloads or builds.
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import type { Scenario } from '../scenario/schema.ts';
import type { Mediasoup } from './mediasoup/api.ts';
import type { Settings } from './mediasoup/settings.ts';
import { freePort } from './port.ts';
import { launched, livekitTarget, type ServerKind } from './server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `folder` is one whose `node_modules` has mediasoup. Throws where that, or its worker, is not there. */
export async function mediasoupServer(folder: string): Promise<ServerKind> {
  const module = locate(folder);
  const { version, workerBin } = (await import(module)) as Mediasoup;
  if (!existsSync(workerBin)) throw new Error(`mediasoup has no worker at ${workerBin}: ${HOW}`);
  const program = build();
  return {
    name: 'mediasoup',
    version,
    refusal,
    async start(network, settings, signal) {
      const port = await freePort(network);
      const target = livekitTarget(network, port);
      const { host, ports } = network;
      const { apiKey, apiSecret } = target;
      const { mux, sendSideBwe } = settings;
      const told: Settings = { mediasoup: module, host, port, apiKey, apiSecret, ip: host, ports, mux, sendSideBwe };
      const child = network.spawn('server', process.execPath, [program.main, JSON.stringify(told)]);
      return launched({ name: 'mediasoup', child, port, target }, signal);
    },
    close: () => program.remove(),
  };
}

/** Why a scenario can't be run on it, or undefined. */
export function refusal({ groups, singlePeerConnection }: Scenario): string | undefined {
  const sender = Object.entries(groups).find(([, { count, publish }]) => count > 0 && publish?.data !== undefined);
  if (sender !== undefined) return `the adapter has no data, which groups.${sender[0]} publishes`;
  if (singlePeerConnection) return 'the adapter has two peer connections for each client, not a single one';
  return undefined;
}

/** The module, as a URL. */
function locate(folder: string): string {
  try {
    return pathToFileURL(createRequire(`${resolve(folder)}/`).resolve('mediasoup')).href;
  } catch {
    throw new Error(`mediasoup is not in ${folder}/node_modules: ${HOW}`);
  }
}

/** The server as plain JavaScript, so that no compiler of ours is measured with it; what it imports is found from there. */
function build(): { main: string; remove(): void } {
  mkdirSync(`${ROOT}target`, { recursive: true });
  const folder = mkdtempSync(`${ROOT}target/bench-`);
  const main = `${folder}/mediasoup.mjs`;
  buildSync({
    entryPoints: [fileURLToPath(new URL('mediasoup/main.ts', import.meta.url))],
    outfile: main,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  return { main, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const HOW =
  'run npm install mediasoup in a folder of its own and give it as --compare mediasoup=FOLDER or MEDIASOUP; a worker from elsewhere is named by MEDIASOUP_WORKER_BIN';
