/** Builds what a run needs, and takes it away again whatever happens. */

import { loadProgram, loadVersion } from './measure/program.ts';
import { livekitServer } from './servers/livekit.ts';
import { whyNoMediasoup } from './servers/mediasoup.ts';
import { cable, loopback, type Network, whyLoopback } from './servers/network.ts';
import type { ServerKind } from './servers/server.ts';
import { sluice } from './servers/sluice.ts';

export interface SetupOptions {
  /** As `--compare` takes them: `livekit-server=PATH`, `livekit-server` with its path in LIVEKIT_SERVER, `mediasoup`. */
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
  const peers: ServerKind[] = [];
  for (const entry of compare) {
    const peer = await peerOf(entry, say);
    if (peer !== undefined) peers.push(peer);
  }
  const load = loadProgram(say);
  const ours = sluice(say);
  const servers = [ours, ...peers];
  try {
    const network = networkOf(wanted, say);
    return {
      network,
      servers,
      load,
      loadVersion: loadVersion(load),
      close() {
        network.close();
        for (const server of servers) server.close();
      },
    };
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

/** A cable where it can be had; says so where not. */
export function networkOf(wanted: boolean, say: (line: string) => void): Network {
  const reason = wanted ? undefined : whyLoopback();
  if (reason !== undefined) say(`note: servers and load meet on loopback: ${reason}`);
  return wanted || reason !== undefined ? loopback() : cable();
}

/** Undefined for what is skipped, which is said. */
async function peerOf(entry: string, say: (line: string) => void): Promise<ServerKind | undefined> {
  const [name = '', ...rest] = entry.split('=');
  const path = rest.join('=') || process.env.LIVEKIT_SERVER || '';
  if (name === 'mediasoup') {
    say(`mediasoup is skipped: ${await whyNoMediasoup()}`);
    return undefined;
  }
  if (name !== 'livekit-server') throw new Error(`--compare ${entry}: expected livekit-server=PATH or mediasoup`);
  if (path === '')
    throw new Error('--compare livekit-server: give its path, as in livekit-server=PATH or LIVEKIT_SERVER');
  return livekitServer(path);
}
