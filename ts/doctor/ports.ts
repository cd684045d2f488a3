/** The ports of the config file: free, held by the server itself, or by whom. */

import type { Config } from '../config/schema.ts';
import { type PortUse, portUses, tryToBind } from '../ports.ts';
import { type Finding, Findings } from './finding.ts';
import { covers, type Listener, type Owner, Owners, readListeners } from './listeners.ts';

export interface PortChecks {
  findings: Finding[];
  /** Of the running server, where it is known. */
  pid: number | undefined;
}

/** `running`: a server with this configuration answers at the API's port. `ips`: addresses that take media. */
export async function checkPorts(config: Config, ips: readonly string[], running: boolean): Promise<PortChecks> {
  const findings = new Findings('ports');
  const listeners = readListeners();
  if (listeners === undefined) {
    findings.skip('there is no /proc here that tells of ports');
    return { findings: findings.list, pid: undefined };
  }
  const view = new View(listeners);
  const api: PortUse = { key: 'port', protocol: 'tcp', port: config.port, ips: apiIps(config) };
  const pid = running ? view.owners(api)[0]?.pid : undefined;
  const uses = [api, ...portUses(config, ips), ...prometheusUse(config)];
  for (const use of uses) await checkUse(use, { view, running, pid, findings });
  checkRanges(config, view, pid, findings);
  if (findings.list.length === 0) {
    const list = uses.map(({ protocol, port }) => `${port}/${protocol}`).join(', ');
    findings.ok(running ? `the running server${told(pid)} has ${list}` : `free: ${list}`);
  }
  return { findings: findings.list, pid };
}

interface Situation {
  view: View;
  running: boolean;
  pid: number | undefined;
  findings: Findings;
}

async function checkUse(use: PortUse, { view, running, pid, findings }: Situation): Promise<void> {
  const { key, protocol, port } = use;
  const name = `${protocol.toUpperCase()} port ${port} (${key})`;
  const holders = view.owners(use);
  if (running) {
    if (holders.length === 0) {
      findings.fail(`${name} is not open, although the server runs`, 'restart the server with this configuration');
    } else if (pid !== undefined && !holders.some((holder) => holder?.pid === pid)) {
      findings.fail(`${name} is in use by ${describe(holders)}`, freeIt(key, protocol, port));
    }
    return;
  }
  for (const ip of use.ips) {
    const code = await tryToBind(protocol, ip, port);
    if (code === undefined) continue;
    if (code === 'EADDRINUSE') findings.fail(`${name} is in use by ${describe(holders)}`, freeIt(key, protocol, port));
    else findings.fail(`${name} can't be opened at ${ip === '' ? 'any address' : ip}: ${code}`, bindFix(code, key));
    return;
  }
}

/** Ports of ranges are opened as they are needed. */
function checkRanges(config: Config, view: View, pid: number | undefined, findings: Findings): void {
  const { rtc, turn } = config;
  const ranges: [key: string, start: number, end: number][] = [];
  if (rtc.udp_port === undefined && !rtc.force_tcp)
    ranges.push(['rtc.port_range', rtc.port_range_start, rtc.port_range_end]);
  if (turn.enabled) ranges.push(['turn.relay_range', turn.relay_range_start, turn.relay_range_end]);
  for (const [key, start, end] of ranges) {
    const size = end - start + 1;
    const taken = view.takenByOthers(start, end, pid);
    const text = `${taken} of the ${size} UDP ports ${start}-${end} (${key}_start, ${key}_end) are in use by others`;
    const fix = `set ${key}_start and ${key}_end to ports that nobody else uses`;
    if (taken === size) findings.fail(text, fix);
    else if (taken > size / 10) findings.warn(text, fix);
  }
}

/** What the kernel's tables say, and whose it is. */
class View {
  readonly #listeners: readonly Listener[];
  #owners: Owners | undefined;

  constructor(listeners: readonly Listener[]) {
    this.#listeners = listeners;
  }

  owners({ protocol, port, ips }: PortUse): Owner[] {
    return this.#listeners
      .filter((listener) => listener.protocol === protocol && listener.port === port)
      .filter((listener) => ips.some((ip) => covers(listener, ip)))
      .map((listener) => this.#ownerOf(listener));
  }

  takenByOthers(start: number, end: number, pid: number | undefined): number {
    const inRange = this.#listeners.filter(({ protocol, port }) => protocol === 'udp' && port >= start && port <= end);
    const others = inRange.filter((listener) => pid === undefined || this.#ownerOf(listener)?.pid !== pid);
    return new Set(others.map(({ port }) => port)).size;
  }

  #ownerOf(listener: Listener): Owner {
    this.#owners ??= new Owners();
    return this.#owners.of(listener);
  }
}

function describe(holders: readonly Owner[]): string {
  const known = new Map(holders.flatMap((holder) => (holder === undefined ? [] : [[holder.pid, holder.command]])));
  if (known.size === 0) return 'a process that this user may not look at (run doctor as root to see which)';
  return [...known].map(([pid, command]) => `pid ${pid} (${command})`).join(', ');
}

function told(pid: number | undefined): string {
  return pid === undefined ? '' : ` (pid ${pid})`;
}

function freeIt(key: string, protocol: string, port: number): string {
  return `stop that process, or set ${key} to another port than ${port}/${protocol}`;
}

function bindFix(code: string, key: string): string {
  if (code === 'EACCES') {
    return `give the server CAP_NET_BIND_SERVICE (AmbientCapabilities= in systemd), or set ${key} to a port from 1024 up`;
  }
  if (code === 'EADDRNOTAVAIL')
    return 'set bind_addresses, rtc.ips or turn.bind_addresses to addresses of this machine';
  return `set ${key} to another port`;
}

function apiIps({ bind_addresses }: Config): readonly string[] {
  return bind_addresses.length === 0 ? [''] : bind_addresses;
}

function prometheusUse(config: Config): PortUse[] {
  const { port } = config.prometheus;
  return port === 0 ? [] : [{ key: 'prometheus.port', protocol: 'tcp', port, ips: [''] }];
}
