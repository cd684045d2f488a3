/**
 * Where servers and load meet: a cable between two network namespaces of this run, or loopback.
 *
 * Over the cable (a veth pair) nothing else of the machine is heard, every server may have the same ports, and a send
 * costs what it costs on a network card's driver and more: the far end's receive interrupt runs in it.
 */

import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';

export interface Network {
  kind: 'veth' | 'loopback';
  /** Address of the server. */
  host: string;
  /** Where the load is. */
  far: { host: string; namespace?: string };
  /** What a server's own port range is set to. */
  ports: { first: number; last: number };
  /** Interface that has `host`. */
  device: string;
  spawn(end: 'server' | 'load', program: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** May be called again. */
  close(): void;
}

/** Why there can be no cable here, or undefined. */
export function whyLoopback(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('ip', ['-V']).status !== 0) return 'the program ip is not installed';
  const name = `${PREFIX}-${process.pid}-${suffix()}-probe`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.status !== 0) return `no network namespaces here: ${made.stderr.trim()}`;
  spawnSync('ip', ['netns', 'delete', name]);
  return undefined;
}

export function loopback(): Network {
  return {
    kind: 'loopback',
    host: '127.0.0.1',
    far: { host: '127.0.0.1' },
    // Below the ports that the kernel gives to clients, which are on the same address.
    ports: { first: 20_000, last: 30_000 },
    device: 'lo',
    spawn: (_, program, args, options = {}) => spawn(program, args, options),
    close() {},
  };
}

/** Lays the cable. What a run left behind that was killed is taken away first. */
export function cable(): Network {
  sweep();
  const run = `${PREFIX}-${process.pid}-${suffix()}`;
  const names = { server: `${run}-server`, load: `${run}-load` };
  const network: Network = {
    kind: 'veth',
    host: SERVER,
    far: { host: LOAD, namespace: names.load },
    ports: { first: 50_000, last: 60_000 },
    device: DEVICE,
    spawn: (end, program, args, options = {}) => spawn('ip', ['netns', 'exec', names[end], program, ...args], options),
    close() {
      for (const name of Object.values(names)) deleteNamespace(name);
    },
  };
  try {
    for (const name of Object.values(names)) ip(`netns add ${name}`);
    ip(`link add name ${DEVICE} netns ${names.server} type veth peer name ${DEVICE} netns ${names.load}`);
    for (const [name, address] of [
      [names.server, SERVER],
      [names.load, LOAD],
    ]) {
      ip(`-n ${name} link set lo up`);
      ip(`-n ${name} link set ${DEVICE} up`);
      ip(`-n ${name} address add ${address}/24 dev ${DEVICE}`);
    }
    return network;
  } catch (error) {
    network.close();
    throw error;
  }
}

function ip(words: string): void {
  execFileSync('ip', words.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** What still runs inside ends with it. */
function deleteNamespace(name: string): void {
  const listed = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of (listed.stdout ?? '').split('\n').filter(Boolean)) spawnSync('kill', ['-KILL', pid]);
  spawnSync('ip', ['netns', 'delete', name]);
}

function sweep(): void {
  const listed = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout ?? '';
  for (const [, name, owner] of listed.matchAll(new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`, 'gm'))) {
    if (name !== undefined && !existsSync(`/proc/${owner}`)) deleteNamespace(name);
  }
}

function suffix(): string {
  return randomBytes(3).toString('hex');
}

const PREFIX = 'sluice-bench';
const DEVICE = 'bench0';
/** TEST-NET-2 (RFC 5737): an address that means nothing anywhere else. */
const SERVER = '198.51.100.1';
const LOAD = '198.51.100.2';
