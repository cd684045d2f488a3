/** How busy the machine is, or what this process may have of it. */

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';
import { type GroupUsage, readGroup } from './control-group.ts';
import type { NodeStats } from './types.ts';

export type SystemFigures = Pick<
  NodeStats,
  | 'numCpus'
  | 'loadAvgLast1min'
  | 'loadAvgLast5min'
  | 'loadAvgLast15min'
  | 'cpuLoad'
  | 'memoryUsed'
  | 'memoryTotal'
  | 'memoryLoad'
  | 'sysPacketsOut'
  | 'sysPacketsDropped'
>;

export class SystemLoad {
  readonly #root: string;
  #before: { readonly at: number; readonly busyMicros: number } | undefined;

  /** `root` is where `/proc` and `/sys` are. */
  constructor(root = '/') {
    this.#root = root;
  }

  /** `now` in monotonic milliseconds; the CPU load is that since the last time. */
  sample(now: number): SystemFigures {
    const group = readGroup(this.#root);
    const [loadAvgLast1min = 0, loadAvgLast5min = 0, loadAvgLast15min = 0] = loadavg();
    const allowed = Math.min(group.cpuLimit ?? Number.POSITIVE_INFINITY, availableParallelism());
    const memoryTotal = Math.min(group.memoryLimit ?? Number.POSITIVE_INFINITY, totalmem());
    // Without a limit of its own the group shares what there is with the rest of the machine.
    const memoryUsed = group.memoryLimit === undefined ? totalmem() - freemem() : (group.memoryUsed ?? 0);
    return {
      numCpus: Math.max(1, Math.round(allowed)),
      loadAvgLast1min,
      loadAvgLast5min,
      loadAvgLast15min,
      cpuLoad: this.#cpuLoad(now, group, allowed),
      memoryUsed,
      memoryTotal,
      memoryLoad: memoryTotal > 0 ? memoryUsed / memoryTotal : 0,
      ...sentPackets(this.#root),
    };
  }

  #cpuLoad(now: number, group: GroupUsage, allowed: number): number {
    const limited = group.cpuLimit !== undefined && group.cpuMicros !== undefined;
    const busyMicros = limited ? (group.cpuMicros ?? 0) : machineBusyMicros();
    const before = this.#before;
    this.#before = { at: now, busyMicros };
    const elapsed = before === undefined ? 0 : (now - before.at) * 1000;
    if (before === undefined || elapsed <= 0) return 0;
    return Math.min(1, Math.max(0, (busyMicros - before.busyMicros) / elapsed / (limited ? allowed : cpus().length)));
  }
}

function machineBusyMicros(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) * 1000;
}

/** Of all interfaces but the loopback one, as proc(5) has `/proc/net/dev`; modulo 2^32, as records have it. */
export function sentPackets(root = '/'): { sysPacketsOut: number; sysPacketsDropped: number } {
  let [packets, dropped] = [0, 0];
  for (const [, name, figures = ''] of readText(`${root}/proc/net/dev`).matchAll(/^\s*([^\s:]+):(.*)$/gm)) {
    if (name === 'lo') continue;
    const columns = figures.trim().split(/\s+/).map(Number);
    packets += columns[SENT_PACKETS] ?? 0;
    dropped += columns[SENT_DROPPED] ?? 0;
  }
  return { sysPacketsOut: packets % 2 ** 32, sysPacketsDropped: dropped % 2 ** 32 };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const SENT_PACKETS = 9;
const SENT_DROPPED = 11;
