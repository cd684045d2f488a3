/** The TURN server inside, as the workers run it and as clients are told of it (livekit-facts 9.2, 12.1, 12.2). */

import { isIPv4 } from 'node:net';
import { turnCredentials } from './auth/turn-credentials.ts';
import { ConfigError } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { urlHost } from './lib/url-host.ts';
import type { MediaAddress, TurnConfig } from './media/native.ts';
import type { EmbeddedTurn } from './room/config.ts';

/** What the workers are told; undefined while the TURN server is off. `addresses`: those that take media. */
export function turnSettings(config: Config, addresses: readonly MediaAddress[]): TurnConfig | undefined {
  const { turn } = config;
  if (!turn.enabled) return undefined;
  return {
    realm: REALM,
    ...(turn.udp_port === 0 ? {} : { udpPort: turn.udp_port }),
    ...(turn.tls_port === 0 ? {} : { tls: { port: turn.tls_port, external: turn.external_tls } }),
    bindAddresses: turn.bind_addresses,
    relayAddresses: relayAddresses(config, addresses),
    relayRangeStart: turn.relay_range_start,
    relayRangeEnd: turn.relay_range_end,
    allocationsPerUser: Math.max(0, turn.per_user_relay_allocation_limit),
    credentials: Object.entries(config.keys).map(([apiKey, apiSecret]) => ({ apiKey, apiSecret })),
    allowPublicPeers: turn.allow_public_peers,
    allowRestrictedPeerCidrs: turn.allow_restricted_peer_cidrs,
    denyPeerCidrs: turn.deny_peer_cidrs,
  };
}

/** Relays have the node's address of each family that the server listens on. */
function relayAddresses(config: Config, addresses: readonly MediaAddress[]): MediaAddress[] {
  const { node_ip } = config.rtc;
  const binds = config.turn.bind_addresses;
  return [true, false].flatMap((v4) => {
    const bind = binds.find((address) => isIPv4(address) === v4);
    if (bind === undefined) return [];
    const ofFamily = addresses.filter(({ advertise }) => isIPv4(advertise) === v4);
    const nodeIp = v4 ? node_ip.v4 : node_ip.v6;
    const chosen = ofFamily.find(({ advertise }) => advertise === nodeIp) ?? ofFamily[0];
    if (chosen !== undefined) return [chosen];
    throw new ConfigError([
      `turn.bind_addresses: ${bind} needs an IPv${v4 ? 4 : 6} address of this node for relays, and it has none for media`,
    ]);
  });
}

/** Where it listens, for the log, by livekit-server's names. */
export function turnListeners({ turn }: Config): Record<string, unknown> {
  return {
    'turn.relay_range_start': turn.relay_range_start,
    'turn.relay_range_end': turn.relay_range_end,
    'turn.bind_addresses': turn.bind_addresses,
    ...(turn.tls_port === 0 ? {} : { 'turn.portTLS': turn.tls_port, 'turn.externalTLS': turn.external_tls }),
    ...(turn.udp_port === 0 ? {} : { 'turn.portUDP': turn.udp_port }),
  };
}

/** What clients are told; undefined while the TURN server is off. */
export function embeddedTurn(config: Config, addresses: readonly MediaAddress[]): EmbeddedTurn | undefined {
  const { turn } = config;
  const [key] = Object.entries(config.keys);
  if (!turn.enabled || key === undefined) return undefined;
  const signer = { apiKey: key[0], apiSecret: key[1] };
  return {
    udpUrls:
      turn.udp_port === 0
        ? []
        : nodeIps(config, addresses).map((ip) => `turn:${urlHost(ip)}:${turn.udp_port}?transport=udp`),
    tlsUrl: turn.tls_port === 0 ? undefined : `turns:${turn.domain}:443?transport=tcp`,
    credentials: (participantSid, now) =>
      turnCredentials(signer, participantSid, Math.floor(now / 1000) + turn.ttl_seconds),
  };
}

/** The node's address of each family, unless the server listens on another one only. */
function nodeIps(config: Config, addresses: readonly MediaAddress[]): string[] {
  const { node_ip } = config.rtc;
  return relayAddresses(config, addresses).map((relay) => {
    const v4 = isIPv4(relay.advertise);
    const nodeIp = (v4 ? node_ip.v4 : node_ip.v6) || relay.advertise;
    const binds = config.turn.bind_addresses.filter((address) => isIPv4(address) === v4);
    const [first] = binds;
    const bound = addresses.find(({ advertise }) => advertise === nodeIp)?.bind;
    const listensThere = bound === undefined || [bound, ...WILDCARDS].some((address) => binds.includes(address));
    if (listensThere || WILDCARDS.includes(bound) || first === undefined) return nodeIp;
    return addresses.find(({ bind }) => bind === first)?.advertise ?? first;
  });
}

const REALM = 'livekit';
const WILDCARDS = ['0.0.0.0', '::'];
