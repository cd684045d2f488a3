/**
 * What this process may use of the machine: CPU and memory of its control group, in both versions of Linux, and of the
 * whole machine where it has none or the group has no limit.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** As files have it now. */
export interface GroupUsage {
  /** CPU time used since the group began, in microseconds. */
  readonly cpuMicros: number | undefined;
  /** CPUs' worth of time; undefined for no limit. */
  readonly cpuLimit: number | undefined;
  /** Bytes that can't be reclaimed. */
  readonly memoryUsed: number | undefined;
  readonly memoryLimit: number | undefined;
}

/** `root` is where `/proc` and `/sys` are. Nothing is thrown: what can't be read is undefined. */
export function readGroup(root = '/'): GroupUsage {
  const groups = (read(root, 'proc/self/cgroup') ?? '').trim().split('\n').map(parseLine);
  const unified = groups.find(({ controllers }) => controllers === '');
  const v1 = (controller: string) => groups.find(({ controllers }) => controllers.split(',').includes(controller));
  const [cpu, memory] = [v1('cpu'), v1('memory')];
  if (cpu !== undefined || memory !== undefined) return readV1(root, cpu?.path ?? '/', memory?.path ?? '/');
  return unified === undefined ? NOTHING : readV2(root, unified.path);
}

/** `<hierarchy>:<controllers>:<path>`, as cgroups(7) has it. */
function parseLine(line: string): { controllers: string; path: string } {
  const [, controllers = '?', ...path] = line.split(':');
  return { controllers, path: path.join(':') };
}

function readV2(root: string, path: string): GroupUsage {
  const folders = upwards(root, 'sys/fs/cgroup', path);
  const [own] = folders;
  if (own === undefined) return NOTHING;
  const usage = field(read(own, 'cpu.stat'), 'usage_usec');
  const used = number(read(own, 'memory.current'));
  const cache = field(read(own, 'memory.stat'), 'inactive_file') ?? 0;
  return {
    cpuMicros: usage,
    // A group has no more than the groups around it.
    cpuLimit: least(folders.map((folder) => quota(...(read(folder, 'cpu.max') ?? 'max').trim().split(/\s+/)))),
    memoryUsed: used === undefined ? undefined : Math.max(0, used - cache),
    memoryLimit: least(folders.map((folder) => number(read(folder, 'memory.max')))),
  };
}

function readV1(root: string, cpuPath: string, memoryPath: string): GroupUsage {
  const cpu = [...upwards(root, 'sys/fs/cgroup/cpu', cpuPath), ...upwards(root, 'sys/fs/cgroup/cpu,cpuacct', cpuPath)];
  const memory = upwards(root, 'sys/fs/cgroup/memory', memoryPath);
  const accounts = [...upwards(root, 'sys/fs/cgroup/cpuacct', cpuPath), ...cpu];
  const nanos = accounts.map((folder) => number(read(folder, 'cpuacct.usage'))).find((value) => value !== undefined);
  const [own = ''] = memory;
  const used = number(read(own, 'memory.usage_in_bytes'));
  const cache = field(read(own, 'memory.stat'), 'total_inactive_file') ?? 0;
  return {
    cpuMicros: nanos === undefined ? undefined : nanos / 1000,
    cpuLimit: least(cpu.map((folder) => quota(read(folder, 'cpu.cfs_quota_us'), read(folder, 'cpu.cfs_period_us')))),
    memoryUsed: used === undefined ? undefined : Math.max(0, used - cache),
    memoryLimit: least(memory.map((folder) => below(number(read(folder, 'memory.limit_in_bytes'))))),
  };
}

/** The group's folder and those above it, as far as they can be seen: in a container the path may be the host's. */
function upwards(root: string, mount: string, path: string): string[] {
  const folders: string[] = [];
  const top = join(root, mount);
  for (let folder = join(top, path); folder.startsWith(top); folder = join(folder, '..')) {
    if (existsSync(folder)) folders.push(folder);
    if (folder === top) break;
  }
  return folders;
}

function quota(allowed?: string, period?: string): number | undefined {
  const [micros, per] = [number(allowed), number(period)];
  return micros === undefined || per === undefined || micros <= 0 || per <= 0 ? undefined : micros / per;
}

/** Version 1 writes no limit as the largest number of pages. */
function below(bytes: number | undefined): number | undefined {
  return bytes === undefined || bytes >= NO_LIMIT_BYTES ? undefined : bytes;
}

function least(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function field(text: string | undefined, name: string): number | undefined {
  return number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1]);
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text.trim()) ? Number(text) : undefined;
}

function read(folder: string, name: string): string | undefined {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch {
    return undefined;
  }
}

const NOTHING: GroupUsage = {
  cpuMicros: undefined,
  cpuLimit: undefined,
  memoryUsed: undefined,
  memoryLimit: undefined,
};
const NO_LIMIT_BYTES = 2 ** 62;
