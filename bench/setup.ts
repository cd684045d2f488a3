/** Builds what a run needs, and takes it away again whatever happens. */

import { fileURLToPath } from 'node:url';
import { loadProgram, loadVersion } from './measure/program.ts';
import { livekitServer } from './servers/livekit.ts';
import { mediasoupServer } from './servers/mediasoup.ts';
import { cable, loopback, type Network, whyLoopback } from './servers/network.ts';
import type { ServerKind } from './servers/server.ts';
import { sluice } from './servers/sluice.ts';

export interface SetupOptions {
  /**
   * As `--compare` takes them: `livekit-server=PATH`, `mediasoup=FOLDER`; without a path it is in LIVEKIT_SERVER and in
   * MEDIASOUP.
   */
  compare: readonly string[];
  loopback: boolean;
  say(line: string): void;
}

export interface Setup {
  network: Network;
  /** Ours first. */
  servers: ServerKind[];
  load: readonly [string, ...string[]];
  loadVersion: string;
  /** May be called again; works synchronously, so that it can be called when the process ends. */
  close(): void;
}

export async function setUp({ compare, loopback: wanted, say }: SetupOptions): Promise<Setup> {
  const servers: ServerKind[] = [];
  const closeServers = () => {
    for (const server of servers) server.close();
  };
  try {
    for (const entry of compare) servers.push(await peerOf(entry));
    const load = loadProgram(say);
    servers.unshift(sluice(say));
    const network = networkOf(wanted, say);
    return {
      network,
      servers,
      load,
      loadVersion: loadVersion(load),
      close() {
        network.close();
        closeServers();
      },
    };
  } catch (error) {
    closeServers();
    throw error;
  }
}

/** A cable where it can be had; says so where not. */
export function networkOf(wanted: boolean, say: (line: string) => void): Network {
  const reason = wanted ? undefined : whyLoopback();
  if (reason !== undefined) say(`note: servers and load meet on loopback: ${reason}`);
  return wanted || reason !== undefined ? loopback() : cable();
}

async function peerOf(entry: string): Promise<ServerKind> {
  const [name = '', ...rest] = entry.split('=');
  const path = rest.join('=');
  if (name === 'mediasoup') return mediasoupServer(path || process.env.MEDIASOUP || ROOT);
  if (name !== 'livekit-server') {
    throw new Error(`--compare ${entry}: expected livekit-server=PATH or mediasoup=FOLDER`);
  }
  const binary = path || process.env.LIVEKIT_SERVER;
  if (!binary) throw new Error('--compare livekit-server: give its path, as in livekit-server=PATH or LIVEKIT_SERVER');
  return livekitServer(binary);
}

/** Where mediasoup is looked for that no folder was given of. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
