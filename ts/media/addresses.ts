/** Which local addresses take media, and what clients are told of them (livekit-facts 9.2, 12.4). Pure. */

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import type { MediaAddress } from './native.ts';

export interface AddressFilter {
  includes: readonly string[];
  excludes: readonly string[];
}

export interface AddressOptions {
  /** As configured; empty where it is not. */
  nodeIp: { v4: string; v6: string };
  /** Interface names. */
  interfaces: AddressFilter;
  /** CIDR ranges or addresses. */
  ips: AddressFilter;
  /** Take loopback addresses too. They are taken anyway where there is nothing else. */
  loopback: boolean;
  /** External addresses by local ones, where they were discovered. */
  external?: ReadonlyMap<string, string>;
  /** Leave local addresses out for which there is no external one. */
  externalOnly?: boolean;
}

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** Throws where no address is left, or a filter is no CIDR range. */
export function mediaAddresses(options: AddressOptions, interfaces: Interfaces): MediaAddress[] {
  const { interfaces: names, ips } = options;
  const included = ranges(ips.includes);
  const excluded = ranges(ips.excludes);
  const locals = Object.entries(interfaces)
    .filter(([name]) => names.includes.length === 0 || names.includes.includes(name))
    .filter(([name]) => !names.excludes.includes(name))
    .flatMap(([, infos]) => infos ?? [])
    .filter(({ address }) => !LINK_LOCAL.check(address, family(address)))
    .filter(({ address }) => ips.includes.length === 0 || included.check(address, family(address)))
    .filter(({ address }) => !excluded.check(address, family(address)));
  const outside = locals.filter(({ internal }) => !internal);
  const loopbacks = locals.filter(({ internal }) => internal);
  const chosen = options.loopback ? [...outside, ...loopbacks] : outside.length > 0 ? outside : loopbacks;
  const own = new Set(locals.map(({ address }) => address));
  const addresses = ([isIPv4, isIPv6] as const).flatMap((ofFamily) => {
    const binds = [...new Set(chosen.map(({ address }) => address).filter(ofFamily))];
    return ofFamily === isIPv4
      ? advertise(binds, options, own, options.nodeIp.v4, '0.0.0.0')
      : advertise(binds, options, own, options.nodeIp.v6, '::');
  });
  if (addresses.length === 0) throw new Error('no local address is left for media: see rtc.interfaces and rtc.ips');
  return addresses;
}

function advertise(
  binds: readonly string[],
  options: AddressOptions,
  own: ReadonlySet<string>,
  nodeIp: string,
  wildcard: string,
): MediaAddress[] {
  const { external, externalOnly = false } = options;
  if (external !== undefined && external.size > 0) {
    return binds
      .filter((bind) => !externalOnly || external.has(bind))
      .map((bind) => ({ bind, advertise: external.get(bind) ?? bind }));
  }
  if (nodeIp === '') return binds.map((bind) => ({ bind, advertise: bind }));
  // Ours: what comes to it comes to the socket bound to it, and the others are not to be told.
  if (own.has(nodeIp)) return [{ bind: nodeIp, advertise: nodeIp }];
  // A translated address leads to one of ours, and we can't know which.
  const [only, ...others] = binds;
  if (only === undefined) return [];
  return [{ bind: others.length === 0 ? only : wildcard, advertise: nodeIp }];
}

function ranges(list: readonly string[]): BlockList {
  const result = new BlockList();
  for (const entry of list) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const bits = prefix === undefined ? (isIPv4(address) ? 32 : 128) : Number(prefix);
    if ((!isIPv4(address) && !isIPv6(address)) || rest.length > 0 || !Number.isInteger(bits)) {
      throw new Error(`not an address range: ${entry}`);
    }
    result.addSubnet(address, bits, family(address));
  }
  return result;
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

const LINK_LOCAL = ranges(['169.254.0.0/16', 'fe80::/10', 'ff00::/8']);
