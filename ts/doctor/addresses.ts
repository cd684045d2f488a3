/** What clients are told to connect to, against what the world sees of this machine. */

import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type NodeAddresses, nodeAddresses } from '../addresses.ts';
import { ConfigError } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { isPublic } from '../media/addresses.ts';
import { DEFAULT_STUN_SERVERS, discoverExternal, parseStunServer } from '../media/external-address.ts';
import { type Finding, Findings } from './finding.ts';

export interface AddressChecks {
  findings: Finding[];
  /** Undefined where the server would not start. */
  addresses: NodeAddresses | undefined;
}

/** Takes seconds where STUN servers do not answer. */
export async function checkAddresses(config: Config): Promise<AddressChecks> {
  const findings = new Findings('addresses');
  try {
    const addresses = await nodeAddresses(config, networkInterfaces(), { info: () => {} });
    if (config.rtc.use_external_ip) reportDiscovered(addresses, findings);
    else await compare(config, addresses, findings);
    return { findings: findings.list, addresses };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const complaint of error.complaints) findings.fail(complaint, fixFor(complaint));
    return { findings: findings.list, addresses: undefined };
  }
}

function reportDiscovered({ candidates }: NodeAddresses, findings: Findings): void {
  for (const { advertise, bind, source, verified, note } of candidates) {
    const text = `${advertise} (local ${bind}, ${source}, ${verified})`;
    if (note === undefined) findings.ok(`clients are told ${text}`);
    else if (note.level === 'warn') findings.warn(`clients are told ${text}: ${note.text}`);
    else
      findings.fail(
        `clients are told ${text}: ${note.text}`,
        'set rtc.node_ip, or rtc.stun_servers to servers that answer',
      );
  }
}

/** Nobody asked for external addresses; whether that is right shows by asking all the same. */
async function compare(config: Config, { candidates }: NodeAddresses, findings: Findings): Promise<void> {
  const told = candidates.map(({ advertise }) => advertise);
  const text = `clients are told ${told.join(', ')}`;
  const locals = candidates.filter(({ bind }) => !isLoopback(bind));
  if (locals.length === 0) {
    findings.ok(`${text}: clients on this machine only`);
    return;
  }
  const seen = await seenFromOutside(
    config,
    locals.map(({ bind }) => bind),
  );
  if (typeof seen === 'string') {
    findings.warn(
      `${text}; not compared with what the internet sees: ${seen}`,
      'set rtc.stun_servers to servers that answer, where that matters',
    );
    return;
  }
  for (const ip of seen.filter((address) => !told.includes(address))) {
    const known = told.filter((address) => isIPv4(address) === isIPv4(ip));
    findings.warn(
      known.every((address) => !isPublic(address))
        ? `${text}, but the internet sees ${ip}: clients elsewhere can't connect`
        : `${text}, but the internet sees ${ip}`,
      `set rtc.use_external_ip: true or rtc.node_ip: ${ip}, unless all clients are in this network`,
    );
  }
  if (!findings.list.some(({ status }) => status !== 'ok')) findings.ok(`${text}, which is what the internet sees`);
}

/** Addresses of this machine as STUN servers see them; why not where none answers. */
async function seenFromOutside({ rtc }: Config, binds: readonly string[]): Promise<string[] | string> {
  const stunServers = (rtc.stun_servers.length === 0 ? DEFAULT_STUN_SERVERS : rtc.stun_servers).filter(
    (server) => parseStunServer(server) !== undefined,
  );
  const { found } = await discoverExternal(binds, {
    stunServers,
    ports: [0],
    selfCheck: false,
    times: { resolve: 1500, waits: [500, 1000] },
  });
  const seen = [...found.values()].flatMap((result) => ('external' in result ? [result.external] : []));
  if (seen.length > 0) return [...new Set(seen)];
  const [first] = found.values();
  return first !== undefined && 'failure' in first ? first.failure : 'no STUN server answered';
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

function fixFor(complaint: string): string {
  if (complaint.startsWith('rtc.use_external_ip')) {
    return 'set rtc.node_ip to the address that clients reach this machine by, or rtc.stun_servers to servers that answer';
  }
  return 'correct rtc.interfaces, rtc.ips and rtc.stun_servers';
}
