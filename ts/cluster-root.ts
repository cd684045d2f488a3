/**
 * What a node shares with other nodes, from the bottom up: keys and messages, then the store and calls over them. Where no
 * Redis is configured all of it is in this process, and nobody above knows the difference.
 */

import type { Keyspace } from './cluster/keyspace.ts';
import { LocalKeyspace } from './cluster/local-keyspace.ts';
import { KeyspaceStore } from './cluster/store.ts';
import type { Config } from './config/schema.ts';
import type { NodeId } from './lib/ids.ts';
import type { Log } from './log/log.ts';
import type { Bus } from './psrpc/bus.ts';
import { RpcClient } from './psrpc/client.ts';
import { LocalBus } from './psrpc/local-bus.ts';
import type { RpcObserver } from './psrpc/observer.ts';
import { RpcServer } from './psrpc/server.ts';

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
  #closing: Promise<void> | undefined;

  constructor({ config, self, log, observe }: ClusterLinkParts) {
    const { max_attempts: maxAttempts, timeout: timeoutMs, backoff: backoffMs } = config.psrpc;
    this.clustered = false;
    this.keyspace = new LocalKeyspace();
    this.bus = new LocalBus();
    this.store = new KeyspaceStore(this.keyspace);
    const observed = observe === undefined ? {} : { observe };
    this.client = new RpcClient(this.bus, { id: self, log, maxAttempts, timeoutMs, backoffMs, ...observed });
    this.server = new RpcServer(this.bus, { id: self, log, timeoutMs, ...observed });
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
  }
}
