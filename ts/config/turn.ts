/** What must hold of `turn` and `rtc.turn_servers` before anything listens: livekit-server's rules, and ours. */

import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Config } from './schema.ts';

/** Complaints about the TURN server inside; none while it is off. */
export function turnComplaints(config: Config): string[] {
  const { turn } = config;
  if (!turn.enabled) return [];
  return [
    ...(turn.udp_port === 0 && turn.tls_port === 0
      ? ['turn: expected turn.udp_port or turn.tls_port, neither is set']
      : []),
    ...(turn.tls_port === 0 ? [] : tlsComplaints(config)),
    ...bindComplaints(turn.bind_addresses),
    ...rangeComplaints(config),
    ...cidrComplaints('turn.allow_restricted_peer_cidrs', turn.allow_restricted_peer_cidrs),
    ...cidrComplaints('turn.deny_peer_cidrs', turn.deny_peer_cidrs),
  ];
}

function tlsComplaints({ turn }: Config): string[] {
  const complaints: string[] = [];
  if (!DOMAIN.test(turn.domain)) {
    complaints.push(
      `turn.domain: turn.tls_port needs a domain such as turn.example.com, got ${JSON.stringify(turn.domain)}`,
    );
  }
  if (turn.external_tls) return complaints;
  const why = 'turn.tls_port needs it, unless turn.external_tls says that a balancer ends TLS';
  if (turn.cert_file === '') complaints.push(`turn.cert_file: ${why}`);
  if (turn.key_file === '') complaints.push(`turn.key_file: ${why}`);
  return complaints;
}

function bindComplaints(addresses: readonly string[]): string[] {
  if (addresses.length === 0) return ['turn.bind_addresses: expected at least one address'];
  return addresses
    .filter((address) => isIP(address) === 0)
    .map((address) => `turn.bind_addresses: expected IP addresses, got ${JSON.stringify(address)}`);
}

function rangeComplaints({ turn, rtc }: Config): string[] {
  const { relay_range_start: start, relay_range_end: end, udp_port } = turn;
  if (end < start) {
    return [`turn.relay_range_end: expected a port from turn.relay_range_start (${start}) up, got ${end}`];
  }
  const complaints: string[] = [];
  const clash = (key: string, first: number, last: number) => {
    if (first !== 0 && first <= end && start <= last) {
      complaints.push(`turn.relay_range_start: relay ports ${start}-${end} overlap ${key} (${first}-${last})`);
    }
  };
  if (rtc.udp_port !== undefined) clash('rtc.udp_port', rtc.udp_port.start, rtc.udp_port.end);
  else if (!rtc.force_tcp) {
    clash('rtc.port_range_start to rtc.port_range_end', rtc.port_range_start, rtc.port_range_end);
  }
  clash('turn.udp_port', udp_port, udp_port);
  return complaints;
}

function cidrComplaints(key: string, ranges: readonly string[]): string[] {
  return ranges
    .filter((range) => !isCidr(range))
    .map((range) => `${key}: expected ranges such as 10.0.0.0/8, got ${JSON.stringify(range)}`);
}

function isCidr(range: string): boolean {
  const [address = '', prefix = '', ...rest] = range.split('/');
  if (rest.length > 0 || !/^\d{1,3}$/.test(prefix)) return false;
  return (isIPv4(address) && Number(prefix) <= 32) || (isIPv6(address) && Number(prefix) <= 128);
}

/** Complaints about `rtc.turn_servers`: a server nobody can log in to helps nobody. */
export function turnServerComplaints({ rtc }: Config): string[] {
  return rtc.turn_servers.flatMap((server, index) => {
    const key = `rtc.turn_servers.${index}`;
    const complaints: string[] = [];
    if (server.host === '') complaints.push(`${key}.host: expected a host`);
    if (server.port === 0) complaints.push(`${key}.port: expected a port`);
    const dynamic = server.secret.trim() !== '' || server.secret_file !== '';
    if (!dynamic && (server.username === '' || server.credential === '')) {
      complaints.push(`${key}: expected secret or secret_file, or both username and credential`);
    }
    return complaints;
  });
}

/** Seconds that credentials of the TURN server inside last. */
export function turnTtl(seconds: number): number {
  return seconds <= 0 ? DEFAULT_TTL_S : Math.min(seconds, MAX_TTL_S);
}

const DEFAULT_TTL_S = 300;
/** A day. */
const MAX_TTL_S = 86_400;

const DOMAIN = /^[a-z0-9-]+(\.[a-z0-9-]+)+\.?$/i;
