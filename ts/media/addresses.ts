/** Which local addresses take media, and what clients are told of them (livekit-facts 9.2, 12.4). Pure. */

import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import type { MediaAddress } from './native.ts';

export interface AddressFilter {
  includes: readonly string[];
  excludes: readonly string[];
}

export interface LocalFilters {
  /** Interface names. */
  interfaces: AddressFilter;
  /** CIDR ranges or addresses. */
  ips: AddressFilter;
}

/** An address of this machine that passed the filters. */
export interface LocalAddress {
  ip: string;
  interface: string;
  loopback: boolean;
}

/** What asking STUN servers from a local address came to. */
export type Discovered =
  | { external: string; server: string; selfCheck: 'passed' | 'failed' | 'skipped' }
  | { failure: string };

export interface Discovery {
  /** By local address. */
  found: ReadonlyMap<string, Discovered>;
  /** Local addresses that the system itself would send from; at most one of each family. */
  defaults: readonly string[];
}

export interface AddressOptions {
  /** As configured; empty where it is not. */
  nodeIp: { v4: string; v6: string };
  /** Take loopback addresses too. They are taken anyway where there is nothing else. */
  loopback: boolean;
  /** Where external addresses were asked for. */
  discovery?: Discovery;
  /** With a discovery: leave local addresses out for which there is no external one. */
  externalOnly?: boolean;
}

/** An address that clients are told, and what the operator is told of it. */
export interface CandidateAddress extends MediaAddress {
  /** `any` where it stands for all of them. */
  interface: string;
  /** `interface`, `node_ip` or `stun <server>`. */
  source: string;
  verified: 'own address' | 'not checked' | 'self-check passed' | 'self-check failed' | 'self-check skipped';
  note?: { level: 'warn' | 'error'; text: string };
}

/** Includes win over excludes; link-local addresses are never among them. Throws where a filter is no CIDR range. */
export function localAddresses(
  { interfaces: names, ips }: LocalFilters,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
): LocalAddress[] {
  const included = ranges(ips.includes);
  const excluded = ranges(ips.excludes);
  return Object.entries(interfaces)
    .filter(([name]) => (names.includes.length > 0 ? names.includes.includes(name) : !names.excludes.includes(name)))
    .flatMap(([name, infos]) => (infos ?? []).map((info) => ({ name, ...info })))
    .filter(({ address }) => !holds(LINK_LOCAL, address))
    .filter(({ address }) => (ips.includes.length > 0 ? holds(included, address) : !holds(excluded, address)))
    .map(({ name, address, internal }) => ({ ip: address, interface: name, loopback: internal }));
}

/** Those that take media: loopback ones only where asked for, or where there is nothing else. */
export function listening(locals: readonly LocalAddress[], loopback: boolean): LocalAddress[] {
  const outside = locals.filter((local) => !local.loopback);
  const chosen = !loopback && outside.length > 0 ? outside : [...outside, ...locals.filter((local) => local.loopback)];
  return chosen.filter(({ ip }, index) => chosen.findIndex((other) => other.ip === ip) === index);
}

/**
 * What is told of which local address, IPv4 first, in each family the most certain first.
 *
 * @throws Error where no address is left, or where external ones were asked for and clients would be told private
 *   ones only. `nodeIp` prevents the latter.
 */
export function candidateAddresses(options: AddressOptions, locals: readonly LocalAddress[]): CandidateAddress[] {
  const chosen = listening(locals, options.loopback);
  const { nodeIp, discovery } = options;
  const candidates = [
    ...ofFamily(
      chosen.filter(({ ip }) => isIPv4(ip)),
      locals,
      canonical(nodeIp.v4),
      options,
    ),
    ...ofFamily(
      chosen.filter(({ ip }) => isIPv6(ip)),
      locals,
      canonical(nodeIp.v6),
      options,
    ),
  ];
  if (discovery !== undefined && nodeIp.v4 + nodeIp.v6 === '' && !candidates.some(isKnownOutside)) {
    throw new Error(discoveryFailed(discovery.found));
  }
  if (candidates.length === 0) throw new Error('no local address is left for media: see rtc.interfaces and rtc.ips');
  if (options.loopback || chosen.some((local) => !local.loopback)) return candidates;
  return candidates.map((candidate) =>
    candidate.source === 'interface' ? { ...candidate, note: ONLY_LOOPBACK } : candidate,
  );
}

function ofFamily(
  chosen: readonly LocalAddress[],
  locals: readonly LocalAddress[],
  nodeIp: string,
  { discovery, externalOnly = false }: AddressOptions,
): CandidateAddress[] {
  const owners = discovery === undefined ? undefined : ownersOf(chosen, discovery);
  if (discovery === undefined || (owners?.size === 0 && nodeIp !== '')) {
    if (nodeIp === '') return chosen.map(asItIs);
    const note = discovery === undefined || chosen.length === 0 ? undefined : fallbackNote(chosen, discovery, nodeIp);
    return configured(chosen, locals, nodeIp).map((candidate) =>
      note === undefined ? candidate : { ...candidate, note },
    );
  }
  return chosen
    .flatMap((local) => discovered(local, discovery, owners ?? new Map()))
    .filter((candidate) => !externalOnly || isKnownOutside(candidate))
    .toSorted((a, b) => rank(a) - rank(b));
}

function asItIs(local: LocalAddress): CandidateAddress {
  return {
    bind: local.ip,
    advertise: local.ip,
    interface: local.interface,
    source: 'interface',
    verified: 'own address',
  };
}

function configured(chosen: readonly LocalAddress[], locals: readonly LocalAddress[], nodeIp: string) {
  const common = { advertise: nodeIp, source: 'node_ip' };
  // Ours: what comes to it comes to the socket bound to it, and the others are not to be told.
  const own = locals.find(({ ip }) => ip === nodeIp);
  if (own !== undefined) {
    return [{ ...common, bind: nodeIp, interface: own.interface, verified: 'own address' as const }];
  }
  const [only, ...others] = chosen;
  if (only === undefined) return [];
  const verified = 'not checked' as const;
  // A translated address leads to one of ours, and we can't know which.
  const wildcard = isIPv4(nodeIp) ? '0.0.0.0' : '::';
  if (others.length > 0) return [{ ...common, bind: wildcard, interface: 'any', verified }];
  return [{ ...common, bind: only.ip, interface: only.interface, verified }];
}

function discovered(
  local: LocalAddress,
  { found, defaults }: Discovery,
  owners: ReadonlyMap<string, string>,
): CandidateAddress {
  const result = found.get(local.ip) ?? { failure: 'it was not asked for' };
  if ('external' in result && owners.get(result.external) === local.ip) {
    const doubt =
      result.selfCheck === 'failed' ? SELF_CHECK_FAILED : isPublic(result.external) ? undefined : SEEN_AS_PRIVATE;
    return {
      bind: local.ip,
      advertise: result.external,
      interface: local.interface,
      source: `stun ${result.server}`,
      verified: `self-check ${result.selfCheck}`,
      ...(doubt === undefined ? {} : { note: { level: 'warn', text: doubt } }),
    };
  }
  const candidate = asItIs(local);
  // Nothing has to be found for an address that the world reaches as it is.
  if (local.loopback || isPublic(local.ip)) return candidate;
  const why =
    'failure' in result ? result.failure : `${result.external} belongs to ${owners.get(result.external)} already`;
  // Where the family has an external address this one is beside the point; else clients of the family lack one.
  const level = owners.size === 0 && defaults.includes(local.ip) ? 'error' : 'warn';
  return { ...candidate, note: { level, text: `no external address was found (${why}); ${PRIVATE_ADVICE}` } };
}

/**
 * Which local address each external one leads to. Bridges for containers often see the external address of the
 * interface that they are translated to: the self-check tells them apart, and without it the system's own choice.
 */
function ownersOf(chosen: readonly LocalAddress[], { found, defaults }: Discovery): Map<string, string> {
  const owners = new Map<string, { ip: string; certainty: number }>();
  for (const { ip } of chosen) {
    const result = found.get(ip);
    if (result === undefined || 'failure' in result) continue;
    const certainty = (result.selfCheck === 'passed' ? 2 : 0) + (defaults.includes(ip) ? 1 : 0);
    const former = owners.get(result.external);
    if (former === undefined || certainty > former.certainty) owners.set(result.external, { ip, certainty });
  }
  return new Map([...owners].map(([external, { ip }]) => [external, ip]));
}

/** True where clients elsewhere may reach it. */
function isKnownOutside({ advertise, source }: CandidateAddress): boolean {
  return source !== 'interface' || isPublic(advertise);
}

function rank(candidate: CandidateAddress): number {
  if (!isKnownOutside(candidate)) return 3;
  if (candidate.source === 'interface') return 2;
  return candidate.verified === 'self-check failed' ? 1 : 0;
}

function fallbackNote(chosen: readonly LocalAddress[], { found }: Discovery, nodeIp: string) {
  const failures = new Map(chosen.map(({ ip }) => [ip, found.get(ip) ?? { failure: 'it was not asked for' }]));
  const text = `rtc.use_external_ip: no external address was found (${reasons(failures)}); rtc.node_ip ${nodeIp} is told to clients instead. Set rtc.stun_servers to servers that answer, or switch rtc.use_external_ip off`;
  return { level: 'error' as const, text };
}

function discoveryFailed(found: ReadonlyMap<string, Discovered>): string {
  return [
    `rtc.use_external_ip: no external address was found (${reasons(found)}), and private ones are of no use to clients elsewhere.`,
    'Set rtc.node_ip to the address that clients reach this machine by, or rtc.stun_servers to servers that this machine',
    'reaches by UDP; to offer private addresses on purpose, switch rtc.use_external_ip off.',
  ].join(' ');
}

function reasons(found: ReadonlyMap<string, Discovered>): string {
  const byFailure = new Map<string, string[]>();
  for (const [ip, result] of found) {
    const failure = 'failure' in result ? result.failure : 'taken already';
    byFailure.set(failure, [...(byFailure.get(failure) ?? []), ip]);
  }
  if (byFailure.size === 0) return 'there is no local address to ask from';
  return [...byFailure].map(([failure, ips]) => `${ips.join(', ')}: ${failure}`).join('; ');
}

/** False for addresses that mean nothing elsewhere: private, shared (RFC 6598), loopback, link-local and reserved. */
export function isPublic(ip: string): boolean {
  return !holds(NOT_PUBLIC, ip);
}

/** As the system writes it; the empty string stays empty. */
function canonical(ip: string): string {
  return ip === '' ? '' : new SocketAddress({ address: ip, family: family(ip) }).address;
}

/** Addresses by range. Each family has a list of its own: in a common one `::/0` holds IPv4 addresses too. */
interface Ranges {
  ipv4: BlockList;
  ipv6: BlockList;
}

function ranges(list: readonly string[]): Ranges {
  const result = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const entry of list) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const most = isIPv4(address) ? 32 : 128;
    const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if ((!isIPv4(address) && !isIPv6(address)) || rest.length > 0 || !(bits <= most)) {
      throw new Error(`not an address range: ${entry}`);
    }
    result[family(address)].addSubnet(address, bits, family(address));
  }
  return result;
}

function holds(ranges: Ranges, ip: string): boolean {
  return ranges[family(ip)].check(ip, family(ip));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

const LINK_LOCAL = ranges(['169.254.0.0/16', 'fe80::/10', 'ff00::/8']);
/** IANA's special-purpose registries, without the ranges for documentation, which stand for public ones. */
const NOT_PUBLIC = ranges([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/127', 'fc00::/7', 'fe80::/10', 'ff00::/8'],
]);
const SELF_CHECK_FAILED =
  'a datagram from here to the external address did not come back: either this network lets no machine reach itself that way (then set rtc.skip_external_ip_validation), or a firewall or NAT keeps UDP out (then open the media ports)';
const ONLY_LOOPBACK = {
  level: 'warn' as const,
  text: 'there is no other address, and only clients on this machine can use this one: see rtc.interfaces and rtc.ips, or set rtc.enable_loopback_candidate if that is meant',
};
const SEEN_AS_PRIVATE =
  'the STUN server sees a private address, so it stands in a private network itself: clients elsewhere need another one in rtc.stun_servers, or rtc.node_ip';
const PRIVATE_ADVICE =
  'clients elsewhere cannot use it. Leave it out with rtc.interfaces, rtc.ips or rtc.external_ip_only, or set rtc.node_ip or rtc.stun_servers';
