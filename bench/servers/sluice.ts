/** Sluice as users run it, with as many media threads as the scenario says. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { block, blockOnSignal, readMetrics } from './insight.ts';
import { install, isBuilt } from './install.ts';
import { freePort } from './port.ts';
import { commonConfig, launched, livekitTarget, type ServerKind } from './server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Builds it where it never was; `say` hears of that, and of builds that are older than their sources. */
export function sluice(say: (line: string) => void): ServerKind {
  if (!isBuilt()) {
    say('Sluice is not built: running npm run build, which takes minutes');
    execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const copy = install();
  for (const doubt of copy.doubts) say(`note: ${doubt}`);
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
  return {
    name: 'Sluice',
    version,
    async start(network, settings, signal) {
      const port = await freePort(network);
      const config = commonConfig(network, settings, port);
      Object.assign(config.rtc as object, { workers: settings.workers });
      if (settings.maxFlushMs > 0) {
        Object.assign(config.rtc as object, { batch_io: { max_flush_interval: `${settings.maxFlushMs}ms` } });
      }
      // All clients come from one address.
      config.limit = { connections_per_ip: 100_000 };
      const metricsPort = settings.metrics ? await freePort(network, 6789) : 0;
      if (settings.metrics) config.prometheus = { port: metricsPort };
      const env =
        settings.blockMs > 0 ? { ...process.env, NODE_OPTIONS: blockOnSignal(settings.blockMs) } : process.env;
      const args = [copy.main, '--config-body', stringify(config)];
      const child = network.spawn('server', process.execPath, args, { env });
      const server = await launched({ name: 'Sluice', child, port, target: livekitTarget(network, port) }, signal);
      return {
        ...server,
        ...(settings.metrics ? { metrics: () => readMetrics(network, metricsPort) } : {}),
        ...(settings.blockMs > 0 ? { block: () => block(child) } : {}),
      };
    },
    close: () => copy.remove(),
  };
}
