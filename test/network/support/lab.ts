/**
 * Network namespaces of this process, the cables between them and the processes in them.
 *
 * Names begin with `sluice-<pid>-`, so that several runs live side by side; what a run left behind that died is taken
 * away when the next one begins.
 */

import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

const PREFIX = 'sluice';

/** Why these tests cannot run here, or `false`: what `skip` of node:test takes. */
export const unavailable: string | false = whyNot();

function whyNot(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const program of ['ip', 'iptables', 'ip6tables']) {
    if (spawnSync('which', [program]).status !== 0) return `${program} is not installed`;
  }
  const name = `${PREFIX}-${process.pid}-probe`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.status !== 0) return `no network namespaces here: ${made.stderr.trim()}`;
  spawnSync('ip', ['netns', 'delete', name]);
  return false;
}

/** One end of a cable. */
export interface Plug {
  namespace: Namespace;
  /** Of the interface, inside the namespace. */
  name: string;
  /** With prefix length, as in `192.0.2.1/24` or `2001:db8::1/64`. */
  addresses: readonly string[];
}

export class Lab {
  static #count = 0;
  readonly #namespaces: Namespace[] = [];

  constructor() {
    sweep();
  }

  /** A namespace with nothing but loopback in it. */
  namespace(name: string): Namespace {
    Lab.#count += 1;
    const namespace = new Namespace(`${PREFIX}-${process.pid}-${Lab.#count}-${name}`);
    this.#namespaces.push(namespace);
    return namespace;
  }

  /** Lays a cable and brings both ends up. */
  cable(one: Plug, other: Plug, mtu = 1500): void {
    const ends = ['name', one.name, 'netns', one.namespace.name, 'type', 'veth'];
    const peer = ['peer', 'name', other.name, 'netns', other.namespace.name];
    // `link add name` takes the first namespace only in this order.
    run('ip', ['link', 'add', ...ends, ...peer]);
    for (const plug of [one, other]) plug.namespace.up(plug.name, plug.addresses, mtu);
  }

  /** Ends the processes inside, and takes everything away. */
  async close(): Promise<void> {
    for (const namespace of this.#namespaces) namespace.end('SIGTERM');
    const deadline = Date.now() + 3_000;
    while (this.#namespaces.some((namespace) => namespace.processes().length > 0) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const namespace of this.#namespaces.splice(0).reverse()) namespace.delete();
  }
}

export class Namespace {
  /** As `ip netns` knows it. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
    run('ip', ['netns', 'add', name]);
    this.ip('link set lo up');
    // Nobody resolves names here but those of `hosts`; asking fails at once instead of after seconds.
    mkdirSync(this.#etc, { recursive: true });
    writeFileSync(`${this.#etc}/resolv.conf`, 'nameserver 127.0.0.1\n');
    this.hosts({});
  }

  get #etc(): string {
    return `/etc/netns/${this.name}`;
  }

  /** What names mean to programs that start in here from now on. */
  hosts(hosts: Record<string, string>): void {
    const lines = Object.entries({ localhost: '127.0.0.1', ...hosts }).map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(`${this.#etc}/hosts`, lines.join(''));
  }

  /** The command line that runs a program in here. */
  command(program: string, args: readonly string[] = []): [string, string[]] {
    return ['ip', ['netns', 'exec', this.name, program, ...args]];
  }

  /** Runs a program to its end and returns what it printed. Throws with its error output. */
  exec(program: string, args: readonly string[]): string {
    return run(...this.command(program, args));
  }

  /** Words of an `ip` command, separated by spaces. */
  ip(words: string): string {
    return run('ip', ['-n', this.name, ...words.split(' ')]);
  }

  /** A rule for IPv4, or for IPv6 with a leading `-6`. */
  iptables(words: string): string {
    const [first, ...rest] = words.split(' ');
    return first === '-6'
      ? this.exec('ip6tables', ['-w', ...rest])
      : this.exec('iptables', ['-w', first ?? '', ...rest]);
  }

  sysctl(setting: string): void {
    this.exec('sysctl', ['-q', '-w', setting]);
  }

  /** Makes a router of it. */
  forwards(): void {
    this.sysctl('net.ipv4.ip_forward=1');
    this.sysctl('net.ipv6.conf.all.forwarding=1');
  }

  up(device: string, addresses: readonly string[], mtu = 1500): void {
    // Trains of packets of a sender travel as the packets that they are made of, as on a real cable.
    this.ip(`link set ${device} up mtu ${mtu} gso_max_segs 1`);
    // Without duplicate address detection, which holds IPv6 addresses back for a second.
    for (const address of addresses)
      this.ip(`address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`);
  }

  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn(...this.command(program, args), options);
  }

  processes(): number[] {
    const listed = spawnSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' });
    return listed.stdout.split('\n').filter(Boolean).map(Number);
  }

  end(signal: NodeJS.Signals): void {
    for (const id of this.processes()) {
      try {
        process.kill(id, signal);
      } catch {
        // It ended by itself.
      }
    }
  }

  delete(): void {
    this.end('SIGKILL');
    spawnSync('ip', ['netns', 'delete', this.name]);
    rmSync(this.#etc, { recursive: true, force: true });
  }
}

/** Takes away what runs left that are no more. */
function sweep(): void {
  const listed = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout ?? '';
  for (const [, name, owner] of listed.matchAll(new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`, 'gm'))) {
    if (name === undefined || existsSync(`/proc/${owner}`)) continue;
    for (const id of spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter(Boolean)) {
      spawnSync('kill', ['-KILL', id]);
    }
    spawnSync('ip', ['netns', 'delete', name]);
    rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  }
}

function run(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw new Error(`${program} ${args.join(' ')}: ${stderr.trim() || (error as Error).message}`);
  }
}
