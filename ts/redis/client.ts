/** Clients of ioredis that connect once, queue nothing, and leave coming back to their line. */

import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { MasterConnector, ServerConnector } from './connector.ts';
import type { Endpoint, RedisServers, RedisSettings } from './options.ts';

export type RedisClient = Redis | Cluster;

/**
 * Begins to connect to the single server, or the master that the Sentinels name, or the cluster as a whole. Each attempt
 * asks another Sentinel or node first, so that one that hangs does not hold up all of them.
 */
export function openClient(settings: RedisSettings, attempt: number): RedisClient {
  const { servers } = settings;
  switch (servers.are) {
    case 'single':
      return openServer(settings, servers.at);
    case 'sentinels':
      return openMaster(settings, servers, attempt);
    case 'cluster':
      return openCluster(settings, servers, attempt);
  }
}

export function openServer(settings: RedisSettings, { host, port }: Endpoint): Redis {
  return open({ ...connectionOptions(settings), host, port, db: settings.db });
}

/** Begins to connect to one of the Sentinels themselves. */
export function openSentinel(settings: RedisSettings, servers: ServersOf<'sentinels'>, attempt: number): Redis {
  const options = connectionOptions({ ...settings, credentials: servers.credentials });
  return open({ ...options, ...rotated(servers.at, attempt)[0], enableReadyCheck: false });
}

function openMaster(settings: RedisSettings, servers: ServersOf<'sentinels'>, attempt: number): Redis {
  const { username, password } = servers.credentials;
  return open({
    ...connectionOptions(settings),
    Connector: MasterConnector,
    db: settings.db,
    name: servers.master,
    sentinels: rotated(servers.at, attempt),
    role: 'master',
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    ...(settings.tls === undefined ? {} : { sentinelTLS: settings.tls, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: Math.max(settings.commandMs, SENTINEL_ANSWER_MS),
    sentinelRetryStrategy: () => null,
  });
}

function openCluster(settings: RedisSettings, servers: ServersOf<'cluster'>, attempt: number): Cluster {
  const cluster = new Cluster(rotated(servers.at, attempt), {
    lazyConnect: true,
    clusterRetryStrategy: () => null,
    enableOfflineQueue: false,
    maxRedirections: servers.maxRedirects,
    slotsRefreshTimeout: settings.dialMs,
    redisOptions: {
      ...connectionOptions(settings),
      // A node that hangs is left, and its commands are tried where its slots are by then.
      socketTimeout: Math.max(settings.commandMs, NODE_SILENCE_MS),
      replyMapping: 'legacy',
    },
  });
  // Commands to a node that is only now connecting would be turned away.
  cluster.on('+node', (node: Redis) => {
    node.connect().catch(() => {});
  });
  return start(cluster);
}

function connectionOptions({ credentials, tls, dialMs }: RedisSettings): RedisOptions {
  return {
    ...credentials,
    Connector: ServerConnector,
    ...(tls === undefined ? {} : { tls }),
    // RESP3 has nothing that we need, and proxies in front of Redis often lack it.
    protocol: 2,
    connectTimeout: dialMs,
    disconnectTimeout: DISCONNECT_MS,
    keepAlive: KEEP_ALIVE_MS,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    connectionName: 'sluice',
  };
}

function open(options: RedisOptions): Redis {
  return start(new Redis({ ...options, replyMapping: 'legacy' }));
}

function start<Client extends RedisClient>(client: Client): Client {
  // Its failure is told by events.
  client.connect().catch(() => {});
  return client;
}

function rotated(at: readonly Endpoint[], by: number): Endpoint[] {
  const start = by % at.length;
  return [...at.slice(start), ...at.slice(0, start)];
}

type ServersOf<Kind> = Extract<RedisServers, { are: Kind }>;

const SENTINEL_ANSWER_MS = 500;
const NODE_SILENCE_MS = 1500;
const DISCONNECT_MS = 100;
const KEEP_ALIVE_MS = 10_000;
