/** What the kernel says of a process and everything it started: CPU time and memory. Linux only. */

import { readdirSync, readFileSync } from 'node:fs';

/** Of one thread or of a whole tree. */
export interface CpuMark {
  /** Monotonic, of the runner. */
  atMs: number;
  /** User and system time of each process, children that ended and were waited for included; USER_HZ. */
  ticks: Map<number, { user: number; system: number }>;
  /** Time on a core of each thread that lives, by thread id; nanoseconds. */
  threads: Map<number, number>;
}

export interface CpuSpent {
  wallSeconds: number;
  seconds: number;
  /** These two add up to `seconds`; the kernel tells them apart by samples at its ticks. */
  userSeconds: number;
  systemSeconds: number;
  /** Share of the time that the busiest thread was on a core; of those that live. */
  busiestThread: number;
}

/** Of all processes of a tree; megabytes of 1,000,000 bytes. */
export interface Memory {
  rssMb: number;
  /** Pages shared with other processes count in parts. */
  pssMb: number;
}

export function markCpu(root: number): CpuMark {
  const mark: CpuMark = { atMs: performance.now(), ticks: new Map(), threads: new Map() };
  for (const pid of tree(root)) {
    const stat = statOf(pid);
    if (stat === undefined) continue;
    mark.ticks.set(pid, stat);
    for (const thread of list(`/proc/${pid}/task`)) {
      const [onCore] = read(`/proc/${pid}/task/${thread}/schedstat`).split(' ');
      if (onCore) mark.threads.set(Number(thread), Number(onCore));
    }
  }
  return mark;
}

/**
 * CPU time between two marks. Nanosecond counters of threads where no thread ended in between (what an ended thread took
 * is in no such counter), else the process's own, which end at 10 ms.
 */
export function cpuBetween(before: CpuMark, after: CpuMark): CpuSpent {
  let [userTicks, systemTicks] = [0, 0];
  for (const [pid, { user, system }] of after.ticks) {
    const start = before.ticks.get(pid) ?? { user: 0, system: 0 };
    userTicks += user - start.user;
    systemTicks += system - start.system;
  }
  const ended = [...before.threads.keys()].some((thread) => !after.threads.has(thread));
  const threads = [...after.threads].map(([thread, spent]) => spent - (before.threads.get(thread) ?? 0));
  const nanoseconds = threads.reduce((sum, spent) => sum + spent, 0);
  const wallSeconds = (after.atMs - before.atMs) / 1_000;
  const coarse = (userTicks + systemTicks) / USER_HZ;
  const seconds = ended || nanoseconds === 0 ? coarse : nanoseconds / 1e9;
  const userShare = userTicks + systemTicks === 0 ? 0 : userTicks / (userTicks + systemTicks);
  return {
    wallSeconds,
    seconds,
    userSeconds: seconds * userShare,
    systemSeconds: seconds * (1 - userShare),
    busiestThread: Math.max(0, ...threads) / 1e9 / wallSeconds,
  };
}

/** Time on a core between two marks by the names of threads, in cores, the busiest first; only of those that live. */
export function coresByThread(root: number, before: CpuMark, after: CpuMark): Record<string, number> {
  const cores = new Map<string, number>();
  for (const pid of tree(root)) {
    for (const thread of list(`/proc/${pid}/task`).map(Number)) {
      const spent = (after.threads.get(thread) ?? 0) - (before.threads.get(thread) ?? 0);
      const name = read(`/proc/${pid}/task/${thread}/comm`).trim();
      cores.set(name, (cores.get(name) ?? 0) + spent / 1e6 / (after.atMs - before.atMs));
    }
  }
  return Object.fromEntries([...cores].sort(([, one], [, other]) => other - one));
}

/** PSS walks all pages of the process and holds its memory map up meanwhile: not while something is being measured. */
export function memoryOf(root: number): Memory {
  let [rssKb, pssKb] = [0, 0];
  for (const pid of tree(root)) {
    rssKb += kilobytes(`/proc/${pid}/status`, 'VmRSS');
    pssKb += kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss');
  }
  return { rssMb: rssKb / KB_PER_MB, pssMb: pssKb / KB_PER_MB };
}

/** Without PSS: cheap at any time. */
export function residentMb(root: number): number {
  return tree(root).reduce((sum, pid) => sum + kilobytes(`/proc/${pid}/status`, 'VmRSS'), 0) / KB_PER_MB;
}

/** Cores' time that all processes of the machine took since it started; seconds. `stolen` went to other machines. */
export function machineCpu(): { busySeconds: number; stolenSeconds: number } {
  const [line = ''] = read('/proc/stat').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { busySeconds: (user + nice + system + irq + softirq) / USER_HZ, stolenSeconds: steal / USER_HZ };
}

/** Whether somebody listens on this TCP port in the network namespace of this process. */
export function listens(pid: number, port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['tcp', 'tcp6'].some((table) =>
    read(`/proc/${pid}/net/${table}`)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .some(([, address, , state]) => address?.endsWith(local) && state === LISTEN),
  );
}

/** The process and its descendants. */
export function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of list('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [root];
  // Grows while it is walked.
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** From the third on: after the name, which may hold spaces and brackets; proc_pid_stat(5). */
function statFields(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(') ') + 2).split(' ');
}

function statOf(pid: number): { user: number; system: number } | undefined {
  // Fields 14 to 17.
  const [user, system, childUser, childSystem] = statFields(pid).slice(11, 15).map(Number);
  if (user === undefined || system === undefined) return undefined;
  return { user: user + (childUser ?? 0), system: system + (childSystem ?? 0) };
}

function kilobytes(file: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(read(file))?.[1] ?? 0);
}

/** Empty for what is no more. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Ticks per second that /proc counts in: 100 on every Linux that Node runs on. */
const USER_HZ = 100;
/** /proc counts in units of 1,024 bytes. */
const KB_PER_MB = 1_000_000 / 1_024;
/** State of a socket that listens, as /proc/net/tcp writes it. */
const LISTEN = '0A';
