/** Stands in for a server in tests: a process that listens and does nothing. */

import { freePort } from '../servers/port.ts';
import { launched, livekitTarget, type ServerKind } from '../servers/server.ts';

const LISTENER = `require('node:net').createServer().listen(Number(process.argv[1]), process.argv[2]);
  console.log('a server for nothing'); if (process.argv[3]) process.exit(Number(process.argv[3]));`;

/** With an exit code it ends at once, as one does that dislikes its configuration. */
export function fakeServer(name: string, started: number[] = [], exitCode?: number): ServerKind {
  return {
    name,
    version: '0',
    async start(network, _settings, signal) {
      const port = await freePort(network);
      const args = ['-e', LISTENER, String(port), network.host, ...(exitCode === undefined ? [] : [String(exitCode)])];
      const child = network.spawn('server', process.execPath, args);
      started.push(child.pid ?? 0);
      return launched({ name, child, port, target: livekitTarget(network, port) }, signal);
    },
    close() {},
  };
}
