/** Limits of the system: open files, and buffers of sockets. */

import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import { neededFiles } from '../file-limit.ts';
import { type Finding, Findings } from './finding.ts';

/** Where the numbers come from; tests have other ones. */
export interface LimitSources {
  read(path: string): string;
}

/** `pid`: the running server, undefined where it would be this process. */
export function checkLimits(config: Config, pid: number | undefined, sources: LimitSources = SYSTEM): Finding[] {
  const findings = new Findings('limits');
  checkFiles(config, pid, sources, findings);
  checkBuffers(sources, findings);
  return findings.list;
}

function checkFiles(config: Config, pid: number | undefined, { read }: LimitSources, findings: Findings): void {
  const limit = openFiles(() => read(`/proc/${pid ?? 'self'}/limits`));
  if (limit === undefined) {
    findings.skip('the limit of open files is not to be read here');
    return;
  }
  const whose = pid === undefined ? 'this user' : `the running server (pid ${pid})`;
  const wanted = neededFiles(config);
  const text = `${whose} may have ${limit.hard === Number.POSITIVE_INFINITY ? 'any number of' : limit.hard} open files`;
  const fix = `set LimitNOFILE=${wanted} in the unit of systemd, --ulimit nofile=${wanted} for Docker, or \`ulimit -n ${wanted}\``;
  // Node.js takes what the hard limit allows at its start.
  if (limit.hard < LEAST_FILES) findings.fail(`${text}, too few for a server`, fix);
  else if (limit.hard < wanted) findings.warn(`${text}; with all ports in use it would be ${wanted}`, fix);
  else findings.ok(`${text}, at most ${wanted} are needed`);
}

function openFiles(read: () => string): { hard: number } | undefined {
  try {
    const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(read()) ?? [];
    if (hard === undefined) return undefined;
    return { hard: hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard) };
  } catch {
    return undefined;
  }
}

function checkBuffers({ read }: LimitSources, findings: Findings): void {
  const limits = ['rmem_max', 'wmem_max'].map((name) => ({
    name,
    bytes: numberIn(() => read(`/proc/sys/net/core/${name}`)),
  }));
  const small = limits.filter(({ bytes }) => bytes === undefined || bytes < WANTED_BUFFER);
  const known = small.filter(({ bytes }) => bytes !== undefined);
  if (known.length > 0) {
    const list = known.map(({ name, bytes }) => `net.core.${name} is ${bytes}`).join(', ');
    const settings = known.map(({ name }) => `net.core.${name}=${WANTED_BUFFER}`).join(' ');
    findings.warn(`${list}: bursts beyond it are lost`, `sysctl -w ${settings}, and the same in /etc/sysctl.d/`);
  } else if (small.length > 0) {
    findings.skip('the limits of socket buffers are not to be read here: look at net.core.rmem_max of the host');
  } else {
    findings.ok(`sockets may have buffers of ${WANTED_BUFFER / 1024 / 1024} MiB`);
  }
}

function numberIn(read: () => string): number | undefined {
  try {
    return Number(read());
  } catch {
    return undefined;
  }
}

const SYSTEM: LimitSources = { read: (path) => readFileSync(path, 'utf8') };
/** What each of our sockets asks for (crates/net/src/config.rs). */
const WANTED_BUFFER = 4 * 1024 * 1024;
/** What systems give where nobody asked for more: the first busy hour ends there. */
const LEAST_FILES = 1024;
