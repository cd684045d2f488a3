/** The `redis` section of the configuration, as what a connection needs. */

import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { ConnectionOptions } from 'node:tls';

/** The section; one without any address means that there is no Redis. Durations in milliseconds, 0 for the default. */
export interface RedisSection {
  readonly address: string;
  readonly username: string;
  readonly password: string;
  readonly db: number;
  /** Deprecated form of `tls.enabled`. */
  readonly use_tls: boolean;
  readonly tls: {
    readonly enabled: boolean;
    readonly insecure: boolean;
    readonly server_name: string;
    readonly ca_cert_file: string;
    readonly client_cert_file: string;
    readonly client_key_file: string;
  };
  readonly sentinel_master_name: string;
  readonly sentinel_username: string;
  readonly sentinel_password: string;
  readonly sentinel_addresses: readonly string[];
  readonly cluster_addresses: readonly string[];
  readonly dial_timeout: number;
  readonly read_timeout: number;
  readonly write_timeout: number;
  readonly max_redirects: number;
}

export interface RedisSettings {
  readonly servers: RedisServers;
  readonly credentials: Credentials;
  readonly db: number;
  readonly tls: ConnectionOptions | undefined;
  /** How long a connection may take to come up. */
  readonly dialMs: number;
  /** How long a command may take, both ways. */
  readonly commandMs: number;
}

export type RedisServers =
  | { readonly are: 'single'; readonly at: Endpoint }
  | {
      readonly are: 'sentinels';
      readonly at: readonly Endpoint[];
      readonly master: string;
      readonly credentials: Credentials;
    }
  | { readonly are: 'cluster'; readonly at: readonly Endpoint[]; readonly maxRedirects: number };

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/**
 * Undefined where none is configured. Sentinels come before a cluster, a cluster before a single address, as with
 * livekit-server. Throws where an address has no form of one, or a file of `tls` can't be read.
 */
export function redisSettings(section: RedisSection): RedisSettings | undefined {
  const servers = serversOf(section);
  if (servers === undefined) return undefined;
  const sentinels = servers.are === 'sentinels';
  const read = section.read_timeout || (sentinels ? SENTINEL_READ_MS : READ_MS);
  const write = section.write_timeout || (sentinels ? SENTINEL_WRITE_MS : 0);
  return {
    servers,
    credentials: credentials(section.username, section.password),
    // A cluster has one database.
    db: servers.are === 'cluster' ? 0 : section.db,
    tls: section.tls.enabled || section.use_tls ? tlsOptions(section.tls) : undefined,
    dialMs: section.dial_timeout || DIAL_MS,
    commandMs: read + write,
  };
}

function serversOf(section: RedisSection): RedisServers | undefined {
  const { address, sentinel_addresses, cluster_addresses } = section;
  if (sentinel_addresses.length > 0) {
    return {
      are: 'sentinels',
      at: sentinel_addresses.map((sentinel) => endpoint(sentinel, SENTINEL_PORT)),
      master: section.sentinel_master_name,
      credentials: credentials(section.sentinel_username, section.sentinel_password),
    };
  }
  if (cluster_addresses.length > 0) {
    const at = cluster_addresses.map((node) => endpoint(node, PORT));
    return { are: 'cluster', at, maxRedirects: section.max_redirects || MAX_REDIRECTS };
  }
  return address === '' ? undefined : { are: 'single', at: endpoint(address, PORT) };
}

/** `host`, `host:port`, `[v6]:port` or `v6`. */
function endpoint(address: string, defaultPort: number): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? defaultPort);
  if (host !== undefined && port <= MAX_PORT) return { host, port };
  if (isIPv6(address)) return { host: address, port: defaultPort };
  throw new Error(`redis: ${JSON.stringify(address)} is no address of the form host:port`);
}

function credentials(username: string, password: string): Credentials {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function tlsOptions(tls: RedisSection['tls']): ConnectionOptions {
  const { insecure, server_name, ca_cert_file, client_cert_file, client_key_file } = tls;
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !insecure,
    ...(server_name === '' ? {} : { servername: server_name }),
    ...(ca_cert_file === '' ? {} : { ca: readFileSync(ca_cert_file) }),
    ...(client_cert_file === '' ? {} : { cert: readFileSync(client_cert_file) }),
    ...(client_key_file === '' ? {} : { key: readFileSync(client_key_file) }),
  };
}

const MAX_PORT = 65_535;
const PORT = 6379;
const SENTINEL_PORT = 26_379;
const DIAL_MS = 2000;
const READ_MS = 2000;
/** livekit-server's defaults with Sentinel. */
const SENTINEL_READ_MS = 200;
const SENTINEL_WRITE_MS = 200;
/** Enough for the redirects and waits of one failover; the time of a command bounds them too. */
const MAX_REDIRECTS = 16;
