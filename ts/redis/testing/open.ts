/** Connections of tests. */

import { pino } from 'pino';
import type { Log } from '../../log/log.ts';
import { RedisConnection } from '../connection.ts';
import { type RedisSection, redisSettings } from '../options.ts';

/** A `redis` section with this much set. */
export function redisSection(set: Partial<RedisSection>): RedisSection {
  return {
    address: '',
    username: '',
    password: '',
    db: 0,
    use_tls: false,
    tls: {
      enabled: false,
      insecure: false,
      server_name: '',
      ca_cert_file: '',
      client_cert_file: '',
      client_key_file: '',
    },
    sentinel_master_name: '',
    sentinel_username: '',
    sentinel_password: '',
    sentinel_addresses: [],
    cluster_addresses: [],
    dial_timeout: 0,
    read_timeout: 0,
    write_timeout: 0,
    max_redirects: 0,
    ...set,
  };
}

/** A connection that is up already, unless `wait` is false. */
export async function openRedis(
  set: Partial<RedisSection>,
  { log = pino({ level: 'silent' }), wait = true }: { log?: Log; wait?: boolean } = {},
): Promise<RedisConnection> {
  const settings = redisSettings(redisSection(set));
  if (settings === undefined) throw new Error('a section without an address');
  const connection = new RedisConnection(settings, { log });
  try {
    if (wait) await connection.untilUp(10_000);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return connection;
}
