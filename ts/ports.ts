/**
 * The ports of media, tried before anything starts. Workers share ports with each other (SO_REUSEPORT), so the system
 * would let a second server share them too, and each would get some of the other's packets.
 */

import { createSocket } from 'node:dgram';
import { createServer, isIPv4, isIPv6 } from 'node:net';
import { ConfigError } from './config/load.ts';
import type { Config } from './config/schema.ts';

/** A port, and the key of the config file that says so. */
export interface PortUse {
  key: string;
  protocol: 'udp' | 'tcp';
  port: number;
  ips: readonly string[];
}

/**
 * Tries the ports that all peers share on `ips`, and those of the TURN server.
 *
 * @throws ConfigError that names each port that can't be had, and its key.
 */
export async function assertPortsFree(config: Config, ips: readonly string[]): Promise<void> {
  const uses = portUses(config, ips);
  const complaints = clashes(uses);
  if (complaints.length > 0) throw new ConfigError(complaints);
  const tried = await Promise.all(
    uses.flatMap((use) => use.ips.map(async (ip) => complaint(use, ip, await tryToBind(use.protocol, ip, use.port)))),
  );
  const found = tried.filter((text) => text !== undefined);
  if (found.length > 0) throw new ConfigError(found);
}

export function portUses({ rtc, turn }: Config, ips: readonly string[]): PortUse[] {
  const uses: PortUse[] = [];
  if (rtc.udp_port !== undefined && !rtc.force_tcp) {
    for (let port = rtc.udp_port.start; port <= rtc.udp_port.end; port++) {
      uses.push({ key: 'rtc.udp_port', protocol: 'udp', port, ips });
    }
  }
  if (rtc.use_stun_port_as_ice && rtc.udp_port !== undefined && !rtc.force_tcp) {
    uses.push({ key: 'rtc.use_stun_port_as_ice', protocol: 'udp', port: STUN_PORT, ips });
  }
  uses.push({ key: 'rtc.tcp_port', protocol: 'tcp', port: rtc.tcp_port, ips });
  if (turn.enabled) {
    uses.push({ key: 'turn.udp_port', protocol: 'udp', port: turn.udp_port, ips: turn.bind_addresses });
    uses.push({ key: 'turn.tls_port', protocol: 'tcp', port: turn.tls_port, ips: turn.bind_addresses });
  }
  return uses.filter(({ port }) => port !== 0);
}

function clashes(uses: readonly PortUse[]): string[] {
  return uses.flatMap((use, index) =>
    uses
      .slice(index + 1)
      .filter(({ protocol, port }) => protocol === use.protocol && port === use.port)
      .filter((other) => other.ips.some((ip) => use.ips.some((mine) => overlap(ip, mine))))
      .map((other) => `${other.key}: ${use.protocol.toUpperCase()} port ${use.port} is ${use.key} already`),
  );
}

function overlap(a: string, b: string): boolean {
  if (isIPv4(a) !== isIPv4(b)) return false;
  return a === b || [a, b].some((ip) => ip === '0.0.0.0' || ip === '::');
}

/** The error's code; undefined where the port can be had. */
export function tryToBind(protocol: PortUse['protocol'], ip: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message);
    // Neither shares the port, so one that is shared by others is taken.
    if (protocol === 'udp') {
      const socket = createSocket({ type: isIPv6(ip) ? 'udp6' : 'udp4', ipv6Only: isIPv6(ip) });
      socket.once('error', (error) => socket.close(() => failed(error)));
      socket.bind({ address: ip, port, exclusive: true }, () => socket.close(() => resolve(undefined)));
    } else {
      const server = createServer();
      server.once('error', failed);
      server.listen({ host: ip, port, exclusive: true, ipv6Only: isIPv6(ip) }, () => {
        server.close(() => resolve(undefined));
      });
    }
  });
}

function complaint({ key, protocol, port }: PortUse, ip: string, code: string | undefined): string | undefined {
  const what = `${key}: ${protocol.toUpperCase()} port ${port} of ${ip}`;
  switch (code) {
    case undefined:
      return undefined;
    case 'EADDRINUSE':
      return `${what} is taken: \`ss -lpn sport = :${port}\` says by whom; stop that, or set another port`;
    case 'EACCES':
      return `${what} may not be used by this user: give the process CAP_NET_BIND_SERVICE, or set a port from 1024 up`;
    case 'EADDRNOTAVAIL':
      return `${what} can't be had: this machine has no such address, or no longer`;
    default:
      return `${what} can't be had: ${code}`;
  }
}

/** Of STUN and TURN (RFC 8489 section 18.6): open in firewalls where few others are. */
export const STUN_PORT = 3478;
