/**
 * This node among the others: its record in the directory, kept fresh by pings to itself over the bus. When either no
 * longer works the record ages, and health checks and other nodes see a node that is not well (livekit-facts 8).
 */

import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import type { NodeId } from '../lib/ids.ts';
import type { Bus } from '../psrpc/bus.ts';
import type { ClusterNode, NodeDirectory, NodeState } from './types.ts';

/** What only the rooms know. */
export interface NodeLoad {
  readonly rooms: number;
  readonly clients: number;
  readonly tracksIn: number;
  readonly tracksOut: number;
}

export interface LocalNodeParts {
  readonly id: NodeId;
  readonly ip: string;
  readonly region: string;
  readonly directory: NodeDirectory;
  readonly bus: Bus;
  readonly load: () => NodeLoad;
  readonly now: () => Date;
  readonly onError: (error: unknown) => void;
  /** Milliseconds between pings. */
  readonly interval: number;
  /** Pings older than this, in milliseconds, say nothing about now. */
  readonly maxDelay: number;
}

export class LocalNode {
  readonly #parts: LocalNodeParts;
  readonly #channel: string;
  readonly #startedAt: number;
  #record: ClusterNode;
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => Promise<void>) | undefined;

  constructor(parts: LocalNodeParts) {
    this.#parts = parts;
    this.#channel = `Keepalive|Ping|${parts.id}|REQ`;
    this.#startedAt = this.#seconds();
    this.#record = this.#fresh('startingUp');
  }

  get id(): NodeId {
    return this.#parts.id;
  }

  /** Unix seconds of the last stats; what probes judge by. */
  get updatedAt(): number {
    return this.#record.stats.updatedAt;
  }

  /** Enters the directory and starts to ping. */
  async start(): Promise<void> {
    const { bus, directory, interval } = this.#parts;
    this.#unsubscribe = await bus.subscribe(this.#channel, (payload) => this.#onPing(payload));
    await directory.register(this.#fresh('serving'));
    this.#timer = setInterval(() => this.#ping(), interval);
  }

  /** No new rooms from now on. */
  async drain(): Promise<void> {
    await this.#parts.directory.register(this.#fresh('shuttingDown'));
  }

  /** Leaves the directory. Idempotent. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const unsubscribe = this.#unsubscribe;
    this.#unsubscribe = undefined;
    await unsubscribe?.();
    await this.#parts.directory.unregister(this.#parts.id);
  }

  #ping(): void {
    const payload = Buffer.alloc(8);
    payload.writeBigInt64BE(BigInt(this.#parts.now().getTime()));
    this.#parts.bus.publish(this.#channel, payload).catch(this.#parts.onError);
  }

  #onPing(payload: Uint8Array): void {
    const sentAt = Number(Buffer.from(payload).readBigInt64BE());
    if (this.#unsubscribe === undefined || this.#parts.now().getTime() - sentAt > this.#parts.maxDelay) return;
    this.#parts.directory.register(this.#fresh(this.#record.state)).catch(this.#parts.onError);
  }

  #fresh(state: NodeState): ClusterNode {
    const { id, ip, region, load } = this.#parts;
    const { rooms, clients, tracksIn, tracksOut } = load();
    const [loadAvgLast1min = 0, loadAvgLast5min = 0, loadAvgLast15min = 0] = loadavg();
    this.#record = {
      id,
      ip,
      region,
      state,
      stats: {
        startedAt: this.#startedAt,
        updatedAt: this.#seconds(),
        numRooms: rooms,
        numClients: clients,
        numTracksIn: tracksIn,
        numTracksOut: tracksOut,
        numCpus: availableParallelism(),
        loadAvgLast1min,
        loadAvgLast5min,
        loadAvgLast15min,
        memoryUsed: totalmem() - freemem(),
        memoryTotal: totalmem(),
      },
    };
    return this.#record;
  }

  #seconds(): number {
    return Math.floor(this.#parts.now().getTime() / 1000);
  }
}
