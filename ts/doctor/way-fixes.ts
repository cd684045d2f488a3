/** What mends a way that is closed, by the step at which it ended. */

import { urlHost } from '../lib/url-host.ts';
import type { Step } from './prober.ts';
import type { Route } from './ways.ts';
import { UNRESOLVED } from './ways.ts';

/** What is known of the server that is tried. */
export interface Hints {
  /** For example `50000-60000`; undefined where the configuration is not known. */
  udpPorts: string | undefined;
  /** The route leads to an address that is not this machine's own, and this machine is the server. */
  throughNat: boolean;
}

export function describeRoute(route: Route): string {
  switch (route.kind) {
    case 'udp':
    case 'tcp':
      return `${route.kind.toUpperCase()} ${urlHost(route.ip)}:${route.port}`;
    case 'turn-udp':
      return `TURN over UDP ${urlHost(route.host)}:${route.port}`;
    case 'turn-tcp':
      return `TURN over TCP ${urlHost(route.host)}:${route.port}`;
    case 'turn-tls':
      return `TURN over TLS ${urlHost(route.host)}:${route.port}`;
  }
}

/** For the step that failed. */
export function fixFor(route: Route, { step, detail }: Pick<Step, 'step' | 'detail'>, hints: Hints): string {
  if (detail.startsWith(UNRESOLVED)) return `create an A or AAAA record for ${'host' in route ? route.host : 'it'}`;
  switch (step) {
    case 'tls':
      return `let TURN over TLS answer at port ${route.port}: turn.tls_port itself, or a balancer that ends TLS (turn.external_tls)`;
    case 'allocate':
      return /40[0-9]|credential|441/.test(detail)
        ? 'compare the API secret and the clock of the TURN server with those of the server that made the credentials'
        : /486|508/.test(detail)
          ? 'raise turn.per_user_relay_allocation_limit, or widen turn.relay_range_start to turn.relay_range_end'
          : openFix(route, hints);
    case 'permit':
    case 'channel':
      return 'let the TURN server relay to the media addresses: turn.deny_peer_cidrs, or the rules of the external TURN server';
    case 'dtls':
      return 'look for a middlebox that alters or drops large UDP packets: DTLS needs 1200 bytes';
    case 'data':
      return 'look into the log of the server: DTLS stands, the data channel does not open';
    default:
      return 'url' in route && step === 'ice' ? relayFix() : openFix(route, hints);
  }
}

function relayFix(): string {
  return 'let the TURN server reach the media ports: firewall between the two, rtc.node_ip';
}

function openFix(route: Route, { udpPorts, throughNat }: Hints): string {
  if (route.kind === 'turn-tls') {
    return `open TCP ${route.port} up to the server, let ${route.host} lead to it, and let that port end at turn.tls_port: clients are sent to no other`;
  }
  const protocol = route.kind === 'udp' || route.kind === 'turn-udp' ? 'UDP' : 'TCP';
  const ports = route.kind === 'udp' && udpPorts !== undefined ? udpPorts : String(route.port);
  const address = 'ip' in route ? route.ip : route.host;
  const elsewhere = throughNat
    ? "; if only this machine can't reach it, set rtc.skip_external_ip_validation and run `sluice doctor --from` elsewhere"
    : '';
  return `open ${protocol} ${ports} in every firewall up to the server, and make sure that ${address} leads to it${'ip' in route ? ' (rtc.node_ip)' : ''}${elsewhere}`;
}
