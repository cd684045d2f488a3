/** livekit-server, from a binary that is already there. */

import { execFileSync } from 'node:child_process';
import { stringify } from 'yaml';
import { freePort } from './port.ts';
import { commonConfig, launched, livekitTarget, type ServerKind } from './server.ts';

/** Throws where the binary does not run. */
export function livekitServer(binary: string): ServerKind {
  const told = execFileSync(binary, ['--version'], { encoding: 'utf8' });
  return {
    name: 'livekit-server',
    version: /version (\S+)/.exec(told)?.[1] ?? told.trim(),
    async start(network, settings, signal) {
      const port = await freePort(network);
      const child = network.spawn('server', binary, [
        '--config-body',
        stringify(commonConfig(network, settings, port)),
      ]);
      return launched({ name: 'livekit-server', child, port, target: livekitTarget(network, port) }, signal);
    },
    close() {},
  };
}
