/** What follows from a loaded file: development mode, keys, deprecated spellings, ranges that depend on others. */

import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { DEV_KEYS, MIN_SECRET_LENGTH, readKeyFile } from './keys.ts';
import { ConfigError, type Loaded } from './load.ts';
import { type Config, schema } from './schema.ts';
import { notEffective } from './status.ts';
import { turnComplaints, turnServerComplaints, turnTtl } from './turn.ts';

export interface Notice {
  level: 'info' | 'warn' | 'error';
  text: string;
}

export interface Settled {
  config: Config;
  /** To be logged once the log stands. */
  notices: Notice[];
}

/** Without `keysNeeded` a configuration that nobody could join with is good enough, for example to print its ports. */
export function settle(loaded: Loaded, dev: boolean, keysNeeded = true): Settled {
  const notices: Notice[] = loaded.ignored.map((text) => ({ level: 'warn', text: `ignored: ${text}` }));
  const config = structuredClone(loaded.config);
  if (dev) config.development = true;
  applyDeprecated(config);
  notices.push(...applyKeys(config, dev, keysNeeded));
  applyPorts(config);
  checkRanges(config);
  notices.push(...settleTurn(config));
  const defaults = schema.parse(undefined);
  for (const path of loaded.set) {
    const reason = notEffective(path);
    // A file that spells out a default asks for nothing.
    if (reason !== undefined && !isDeepStrictEqual(at(loaded.config, path), at(defaults, path)))
      notices.push({ level: 'warn', text: `${path} is not effective yet: ${reason}` });
  }
  return { config, notices };
}

function at(config: Config, path: string): unknown {
  return path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], config);
}

function applyDeprecated(config: Config): void {
  if (config.logging.level === '') config.logging.level = config.log_level;
  if (config.logging.level === '') config.logging.level = config.development ? 'debug' : 'info';
  if (config.prometheus.port === 0) config.prometheus.port = config.prometheus_port;
  if (config.redis.use_tls) config.redis.tls.enabled = true;
  const { room, limit } = config;
  if (room.max_metadata_size > 0) limit.max_metadata_size = room.max_metadata_size;
  if (room.max_room_name_length > 0) limit.max_room_name_length = room.max_room_name_length;
  if (room.max_participant_identity_length > 0) {
    limit.max_participant_identity_length = room.max_participant_identity_length;
  }
}

function applyKeys(config: Config, dev: boolean, needed: boolean): Notice[] {
  if (config.key_file !== '') config.keys = { ...config.keys, ...readKeyFile(config.key_file) };
  if (Object.keys(config.keys).length === 0) {
    if (!dev && !needed) return [];
    if (!dev) throw new ConfigError(['one of key-file or keys must be provided']);
    config.keys = { ...DEV_KEYS };
    if (config.bind_addresses.length === 0) config.bind_addresses = loopbacks();
    else config.rtc.ips.includes.push(...config.bind_addresses.filter(isPublicV4).map((ip) => `${ip}/24`));
    return [{ level: 'info', text: 'no keys provided, using placeholder keys' }];
  }
  if (dev) return [];
  return Object.entries(config.keys)
    .filter(([, secret]) => secret.length < MIN_SECRET_LENGTH)
    .map(([key]) => ({
      level: 'error',
      text: `the secret of key ${key} is too short: at least ${MIN_SECRET_LENGTH} characters are needed to be safe`,
    }));
}

/** IPv6 may be switched off. */
function loopbacks(): string[] {
  const own = Object.values(networkInterfaces()).flatMap((infos) => infos?.map(({ address }) => address) ?? []);
  return own.includes('::1') ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
}

function isPublicV4(ip: string): boolean {
  return isIPv4(ip) && !ip.startsWith('127.') && ip !== '0.0.0.0';
}

function applyPorts(config: Config): void {
  const { rtc } = config;
  const ranged = rtc.port_range_start !== 0 || rtc.port_range_end !== 0;
  if (rtc.udp_port === undefined && config.development && !ranged) rtc.udp_port = { start: 7882, end: 7882 };
  if (rtc.udp_port === undefined && !ranged) {
    rtc.port_range_start = 50_000;
    rtc.port_range_end = 60_000;
  }
  const { turn } = config;
  if (turn.relay_range_start === 0 || turn.relay_range_end === 0) {
    turn.relay_range_start = 30_000;
    turn.relay_range_end = 40_000;
  }
  if (config.development && turn.relay_range_start === 30_000 && turn.relay_range_end === 40_000) {
    turn.relay_range_end = 30_002;
  }
}

function settleTurn(config: Config): Notice[] {
  const complaints = [...turnComplaints(config), ...turnServerComplaints(config)];
  if (complaints.length > 0) throw new ConfigError(complaints);
  const { turn } = config;
  const asked = turn.ttl_seconds;
  turn.ttl_seconds = turnTtl(asked);
  if (turn.ttl_seconds === asked) return [];
  return [{ level: 'warn', text: `turn.ttl_seconds: ${asked} is out of range, taking ${turn.ttl_seconds}` }];
}

function checkRanges(config: Config): void {
  const { username, password } = config.prometheus;
  if ((username === '') !== (password === '')) {
    throw new ConfigError(['prometheus: username and password must both be set or both be empty']);
  }
  const { rtc, tls } = config;
  if ((tls.cert_file === '') !== (tls.key_file === '')) {
    throw new ConfigError(['tls: cert_file and key_file must both be set or both be empty']);
  }
  if (rtc.force_tcp && rtc.tcp_port === 0) {
    throw new ConfigError(['rtc.tcp_port: rtc.force_tcp needs a port for ICE over TCP, got 0']);
  }
  if (rtc.udp_port?.start === 0) rtc.udp_port = undefined;
  if (rtc.udp_port === undefined && (rtc.port_range_start === 0 || rtc.port_range_end < rtc.port_range_start)) {
    throw new ConfigError([
      `rtc.port_range_end: expected a port from rtc.port_range_start (${rtc.port_range_start}) up, got ${rtc.port_range_end}`,
    ]);
  }
}
