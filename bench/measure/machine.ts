/** What a figure's reader has to know of the machine and of what ran on it. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Machine {
  cpu: string;
  cores: number;
  /** Of those that decide what AES costs. */
  instructions: string[];
  memoryMb: number;
  kernel: string;
  node: string;
  openFiles: string;
  sysctls: Record<string, string>;
  /** Of the sources; `+` after it says that something was not committed. */
  commit: string;
  /** Over the last minute, when the run began. */
  loadAverage: number;
  time: string;
}

export function machine(): Machine {
  const info = read('/proc/cpuinfo');
  const flags = new Set(
    (/^flags\s*:\s*(.*)$/m.exec(info)?.[1] ?? /^Features\s*:\s*(.*)$/m.exec(info)?.[1] ?? '').split(' '),
  );
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    instructions: INSTRUCTIONS.filter((name) => flags.has(name)),
    memoryMb: Math.round(totalmem() / 1_000_000),
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    openFiles: /^Max open files\s+(\S+)/m.exec(read('/proc/self/limits'))?.[1] ?? 'unknown',
    sysctls: Object.fromEntries(SYSCTLS.map((name) => [name, sysctl(name)]).filter(([, value]) => value !== '')),
    commit: commit(),
    loadAverage: loadavg()[0] ?? 0,
    time: new Date().toISOString(),
  };
}

/** Lines for the head of a report. */
export function describeMachine(of: Machine): string[] {
  const { cpu, cores, memoryMb, instructions, kernel, node, openFiles, commit: hash, loadAverage, time } = of;
  return [
    `machine   ${cpu}, ${cores} cores, ${(memoryMb / 1_000).toFixed(1)} GB, ${instructions.join(' ') || 'no AES instructions'}`,
    `system    ${kernel}, Node ${node}, ${openFiles} open files, load ${loadAverage.toFixed(2)}`,
    `sysctl    ${Object.entries(of.sysctls)
      .map(([name, value]) => `${name.replace('net.', '')}=${value}`)
      .join(' ')}`,
    `sources   ${hash}, ${time}`,
  ];
}

function sysctl(name: string): string {
  return read(`/proc/sys/${name.replaceAll('.', '/')}`)
    .trim()
    .replace(/\s+/g, '-');
}

function commit(): string {
  try {
    const git = (...words: string[]) => execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const INSTRUCTIONS = ['aes', 'vaes', 'pclmulqdq', 'vpclmulqdq', 'avx2', 'avx512f', 'pmull'];

/** Those that decide what a UDP socket holds and drops, and which ports are taken. */
const SYSCTLS = [
  'net.core.rmem_max',
  'net.core.rmem_default',
  'net.core.wmem_max',
  'net.core.wmem_default',
  'net.core.netdev_max_backlog',
  'net.core.somaxconn',
  'net.ipv4.udp_mem',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
];
