/** The addresses of this node: what the config file asks for, what STUN servers say, and what the log is told of it. */

import { randomInt } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { ConfigError } from './config/load.ts';
import type { Config } from './config/schema.ts';
import type { Log } from './log/log.ts';
import { type CandidateAddress, candidateAddresses, listening, localAddresses } from './media/addresses.ts';
import { DEFAULT_STUN_SERVERS, discoverExternal, parseStunServer } from './media/external-address.ts';
import type { MediaAddress } from './media/native.ts';
import { assertPortsFree } from './ports.ts';

export interface NodeAddresses {
  /** One for each address that clients are told. */
  readonly candidates: readonly CandidateAddress[];
  /** The same as the workers take them. */
  readonly media: MediaAddress[];
  /** The address of each family that the node is known by; empty where it has none. */
  readonly nodeIp: { readonly v4: string; readonly v6: string };
  /** Local addresses by the external ones that STUN servers told of them, where the two differ. */
  readonly translated: ReadonlyMap<string, string>;
}

/**
 * Takes seconds where STUN servers have to be asked.
 *
 * @throws ConfigError where no address is left, or none that clients elsewhere could use although they were asked for.
 */
export async function nodeAddresses(
  config: Config,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
  log: Pick<Log, 'info'>,
  discover = discoverExternal,
): Promise<NodeAddresses> {
  const { rtc } = config;
  const stunServers = rtc.stun_servers.length === 0 ? DEFAULT_STUN_SERVERS : rtc.stun_servers;
  const malformed = stunServers.filter((server) => parseStunServer(server) === undefined);
  if (rtc.use_external_ip && malformed.length > 0) {
    throw new ConfigError(malformed.map((server) => `rtc.stun_servers: expected host:port, got ${server}`));
  }
  const options = { nodeIp: rtc.node_ip, loopback: rtc.enable_loopback_candidate, externalOnly: rtc.external_ip_only };
  const locals = orComplain(() => localAddresses({ interfaces: rtc.interfaces, ips: rtc.ips }, interfaces));
  if (!rtc.use_external_ip)
    return of(
      rtc.node_ip,
      orComplain(() => candidateAddresses(options, locals)),
    );
  const ips = listening(locals, options.loopback).map(({ ip }) => ip);
  // A port that is taken would look like a STUN server that does not answer.
  await assertPortsFree(config, ips);
  log.info({ stunServers }, 'asking STUN servers for the external addresses');
  const selfCheck = !rtc.skip_external_ip_validation;
  const discovery = await discover(ips, { stunServers, ports: portsToAskFrom(rtc), selfCheck });
  return of(
    rtc.node_ip,
    orComplain(() => candidateAddresses({ ...options, discovery }, locals)),
  );
}

function orComplain<T>(choose: () => T): T {
  try {
    return choose();
  } catch (error) {
    throw new ConfigError([(error as Error).message]);
  }
}

function of(nodeIp: Config['rtc']['node_ip'], candidates: readonly CandidateAddress[]): NodeAddresses {
  const told = candidates.map(({ advertise }) => advertise);
  return {
    candidates,
    media: candidates.map(({ bind, advertise }) => ({ bind, advertise })),
    nodeIp: { v4: told.find(isIPv4) ?? nodeIp.v4, v6: told.find(isIPv6) ?? nodeIp.v6 },
    translated: new Map(
      candidates
        .filter(({ source, bind, advertise }) => source.startsWith('stun ') && bind !== advertise)
        .map(({ bind, advertise }) => [advertise, bind]),
    ),
  };
}

/** Those that media will use: what keeps clients out fails the self-check too. */
function portsToAskFrom(rtc: Config['rtc']): number[] {
  if (rtc.force_tcp) return [0];
  if (rtc.udp_port !== undefined) return [rtc.udp_port.start];
  const { port_range_start: start, port_range_end: end } = rtc;
  return Array.from({ length: RANDOM_PORTS }, () => randomInt(start, end + 1));
}

/** One line for each address that clients are told. */
export function logAddresses({ candidates }: NodeAddresses, log: Pick<Log, 'info' | 'warn' | 'error'>): void {
  for (const { advertise, bind, interface: name, source, verified, note } of candidates) {
    const fields = { address: advertise, local: bind, interface: name, source, verified };
    if (note === undefined) log.info(fields, 'candidate address');
    else log[note.level](fields, `candidate address: ${note.text}`);
  }
}

/** Some of a range may be in use by others. */
const RANDOM_PORTS = 5;
