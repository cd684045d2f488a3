/**
 * This node among the others: its record, told anew each interval. It is written when the ping that this node sent to
 * itself over the bus arrives, as livekit-server does it, and all the same when none arrives: a bus that fails does not
 * make a node look dead (livekit-facts 8).
 */

import { KeepalivePing } from '../gen/rpc_pb.ts';
import type { NodeId } from '../lib/ids.ts';
import type { RpcClient } from '../psrpc/client.ts';
import type { Registration, RpcServer } from '../psrpc/server.ts';
import { Keepalive } from '../psrpc/services.ts';
import type { Clock, Timer } from '../room/clock.ts';
import { NodeRates } from './node-rates.ts';
import { noStats } from './node-record.ts';
import type { SystemLoad } from './system-load.ts';
import type { ClusterNode, NodeDirectory, NodeState, NodeStats } from './types.ts';

/** What rooms and workers have counted; counters run from the start of the process. */
export type NodeLoad = Partial<Omit<NodeStats, 'rates' | 'startedAt' | 'updatedAt'>>;

export interface LocalNodeParts {
  readonly id: NodeId;
  readonly ip: string;
  readonly region: string;
  readonly directory: NodeDirectory;
  readonly client: Pick<RpcClient, 'publish'>;
  readonly server: Pick<RpcServer, 'listen'>;
  readonly load: () => Promise<NodeLoad>;
  readonly system: SystemLoad;
  /** Time of day. */
  readonly now: () => Date;
  /** Monotonic. */
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Milliseconds between updates. */
  readonly interval: number;
  /** Pings older than this, in milliseconds, say nothing about now. */
  readonly maxDelay: number;
  /** Over which rates are measured, in milliseconds. */
  readonly rateIntervals: readonly number[];
}

export class LocalNode {
  readonly #parts: LocalNodeParts;
  readonly #rates: NodeRates;
  #record: ClusterNode;
  #timer: Timer | undefined;
  #listening: Registration | undefined;
  /** Monotonic milliseconds. */
  #writtenAt = Number.NEGATIVE_INFINITY;
  /** Monotonic milliseconds of the last turn of the timer. */
  #beatAt: number;
  #updating: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: LocalNodeParts) {
    this.#parts = parts;
    this.#rates = new NodeRates(parts.rateIntervals);
    const { id, ip, region } = parts;
    this.#beatAt = parts.clock.now();
    const at = this.#seconds();
    const stats = { ...noStats(), startedAt: at, updatedAt: at, ...parts.system.sample(this.#beatAt) };
    this.#record = { id, ip, region, state: 'startingUp', stats };
  }

  get id(): NodeId {
    return this.#parts.id;
  }

  get state(): NodeState {
    return this.#record.state;
  }

  /** As last told. */
  get record(): ClusterNode {
    return this.#record;
  }

  /** Milliseconds since the timer last came round: in a process that is well it does, whether or not Redis is there. */
  get age(): number {
    return this.#parts.clock.now() - this.#beatAt;
  }

  /** Enters the directory. Resolves where Redis is away, too: the record follows. */
  async start(): Promise<void> {
    const { server, id, clock, interval } = this.#parts;
    this.#listening = await server.listen(Keepalive.Ping, id, (ping) => this.#onPing(ping));
    this.#record = { ...this.#record, state: 'serving' };
    await this.#sample();
    await this.#write();
    this.#timer = clock.every(interval, () => this.#tick());
  }

  /** Enters the directory again: what was in it may be lost. Resolves where Redis is away, too. */
  async announce(): Promise<void> {
    if (this.#timer !== undefined) await this.#write();
  }

  /** `shuttingDown` for no new rooms, `serving` for new ones again. */
  async setState(state: 'serving' | 'shuttingDown'): Promise<void> {
    this.#record = { ...this.#record, state };
    await this.#write();
  }

  /** Leaves the directory. Idempotent. */
  async stop(): Promise<void> {
    const { directory, id, onError } = this.#parts;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#updating;
    await this.#listening?.end();
    await this.#writing;
    await directory.unregister(id).catch(onError);
  }

  #tick(): void {
    const { clock, onError } = this.#parts;
    this.#beatAt = clock.now();
    this.#updating ??= this.#update()
      .catch(onError)
      .finally(() => {
        this.#updating = undefined;
      });
  }

  async #update(): Promise<void> {
    const { client, id, now, clock, interval, onError } = this.#parts;
    await this.#sample();
    const ping = new KeepalivePing({ timestamp: BigInt(Math.floor(now().getTime() / 1000)) });
    client.publish(Keepalive.Ping, id, ping).catch(onError);
    if (clock.now() - this.#writtenAt > MISSED_PINGS * interval) await this.#write();
  }

  #onPing(ping: KeepalivePing): void {
    if (this.#timer === undefined) return;
    if (this.#parts.now().getTime() - Number(ping.timestamp) * 1000 > this.#parts.maxDelay) return;
    // `#write` never rejects.
    void this.#write();
  }

  /** One write after the other, so that an older record never follows a newer one. */
  #write(): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.#parts.directory.register(this.#record))
      .then(() => {
        this.#writtenAt = this.#parts.clock.now();
      })
      .catch(this.#parts.onError);
    return this.#writing;
  }

  async #sample(): Promise<void> {
    const { load, system, clock } = this.#parts;
    const counted = await load();
    const at = clock.now();
    const { startedAt } = this.#record.stats;
    const stats = { ...noStats(), ...system.sample(at), ...counted, startedAt, updatedAt: this.#seconds() };
    const rates = this.#rates.add(at, stats);
    this.#record = { ...this.#record, stats: { ...stats, rates } };
  }

  #seconds(): number {
    return Math.floor(this.#parts.now().getTime() / 1000);
  }
}

/** Intervals without a record being written before it is written without a ping. */
const MISSED_PINGS = 1.5;
