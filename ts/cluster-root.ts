/**
 * What a node shares with other nodes, from the bottom up: keys and messages, then the store and calls over them. Where no
 * Redis is configured all of it is in this process, and nobody above knows the difference.
 */

import type { Keyspace } from './cluster/keyspace.ts';
import { LocalKeyspace } from './cluster/local-keyspace.ts';
import { KeyspaceStore } from './cluster/store.ts';
import { noteVersion } from './cluster/store-version.ts';
import type { Config } from './config/schema.ts';
import type { NodeId } from './lib/ids.ts';
import type { Log } from './log/log.ts';
import type { Bus } from './psrpc/bus.ts';
import { RpcClient } from './psrpc/client.ts';
import { LocalBus } from './psrpc/local-bus.ts';
import type { RpcObserver } from './psrpc/observer.ts';
import { RpcServer } from './psrpc/server.ts';
import { RedisBus } from './redis/bus.ts';
import { RedisClock } from './redis/clock.ts';
import { RedisConnection } from './redis/connection.ts';
import { RedisKeyspace } from './redis/keyspace.ts';
import { redisSettings } from './redis/options.ts';

export interface ClusterLinkParts {
  readonly config: Pick<Config, 'redis' | 'psrpc'>;
  readonly self: NodeId;
  readonly log: Log;
  readonly observe?: RpcObserver;
}

/** The ways to other nodes. */
export class ClusterLinks {
  /** Whether there can be other nodes at all. */
  readonly clustered: boolean;
  readonly keyspace: Keyspace;
  readonly store: KeyspaceStore;
  readonly bus: Bus;
  readonly client: RpcClient;
  readonly server: RpcServer;
  readonly #redis: RedisConnection | undefined;
  readonly #clock: RedisClock | undefined;
  #closing: Promise<void> | undefined;

  /** Throws where what is configured of Redis can't be. */
  constructor({ config, self, log, observe }: ClusterLinkParts) {
    const { max_attempts: maxAttempts, timeout: timeoutMs, backoff: backoffMs } = config.psrpc;
    const settings = redisSettings(config.redis);
    this.clustered = settings !== undefined;
    this.#redis = settings === undefined ? undefined : new RedisConnection(settings, { log, id: self });
    this.keyspace = this.#redis === undefined ? new LocalKeyspace() : new RedisKeyspace(this.#redis);
    this.bus = this.#redis === undefined ? new LocalBus() : new RedisBus(this.#redis);
    this.store = new KeyspaceStore(this.keyspace);
    // Each time, since Redis may have come back empty.
    this.keyspace.link.onUp(() => {
      noteVersion(this.keyspace).catch((error: unknown) => log.debug({ error }, 'could not note the version'));
    });
    this.#clock = this.#redis === undefined ? undefined : new RedisClock(this.#redis);
    const sharedNow = () => this.#clock?.now();
    const observed = observe === undefined ? {} : { observe };
    this.client = new RpcClient(this.bus, { id: self, log, maxAttempts, timeoutMs, backoffMs, sharedNow, ...observed });
    this.server = new RpcServer(this.bus, { id: self, log, timeoutMs, sharedNow, ...observed });
  }

  /** How often Redis was away, since the start. */
  get outages(): number {
    return this.#redis?.outages ?? 0;
  }

  /** A cluster is begun with Redis there: `unavailable` where it is not, with what it said. */
  async start(): Promise<void> {
    await this.#redis?.untilUp(START_MS);
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.server.close();
    await this.client.close();
    await this.bus.close();
    this.#clock?.close();
    await this.#redis?.close();
  }
}

/** How long Redis has to answer for the first time. */
const START_MS = 10_000;
