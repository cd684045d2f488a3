import type { NodeId, RoomName } from '../../lib/ids.ts';
import type { Clock, Timer } from '../../room/clock.ts';
import { NodeLease } from '../lease.ts';
import { RoomOwners } from '../owners.ts';
import type { OwnedRooms } from '../types.ts';
import { LeaseWatch } from '../watch.ts';
import { FarKeyspace, type SharedRedis } from './far-keyspace.ts';

/** A node reduced to its lease and its rooms; what it does to the store is checked at once. */
export class ModelNode implements OwnedRooms {
  readonly id: NodeId;
  readonly keyspace: FarKeyspace;
  readonly clock: NodeClock;
  readonly lease: NodeLease;
  readonly watch: LeaseWatch;
  readonly owners: RoomOwners;
  readonly rooms = new Set<RoomName>();
  moved = 0;

  constructor(id: string, redis: SharedRedis, clock: Clock) {
    this.id = id as NodeId;
    this.clock = new NodeClock(clock);
    this.keyspace = new FarKeyspace(redis, clock);
    this.keyspace.awake = () => this.clock.awake();
    const { keyspace } = this;
    const onError = () => {};
    this.lease = new NodeLease({ keyspace, node: this.id, clock: this.clock, onError });
    this.watch = new LeaseWatch({
      keyspace,
      clock: this.clock,
      self: this.id,
      nodes: () => keyspace.setMembers('model:nodes') as Promise<NodeId[]>,
      onError,
    });
    this.owners = new RoomOwners({
      keyspace,
      self: this.id,
      lease: this.lease,
      watch: this.watch,
      clock: this.clock,
      foreignOwner: async () => undefined,
      assign: async () => {},
      unassign: async () => {},
      removeRoom: (room) => keyspace.hashRemove('rooms', room),
      onError,
    });
  }

  async start(): Promise<void> {
    await this.lease.start();
    this.watch.start();
    this.owners.start(this);
    await this.keyspace.setAdd('model:nodes', this.id).catch(() => {});
  }

  /** As the power cut would. */
  kill(): void {
    this.clock.kill();
    this.keyspace.cut = true;
    this.rooms.clear();
  }

  hosted(): Iterable<RoomName> {
    return [...this.rooms];
  }

  republish(room: RoomName): void {
    this.write(room);
  }

  async lost(room: RoomName): Promise<void> {
    this.moved += 1;
    this.rooms.delete(room);
  }

  /** As a join does it; false where it was refused. */
  async open(room: RoomName): Promise<boolean> {
    try {
      await this.owners.claim(room);
      this.rooms.add(room);
      this.write(room);
      return true;
    } catch {
      return false;
    }
  }

  async close(room: RoomName): Promise<void> {
    if (!this.rooms.delete(room)) return;
    await this.owners.release(room, true);
  }

  /** As rooms do: only where it is ours. */
  write(room: RoomName): void {
    if (this.owners.holds(room)) this.keyspace.hashSet('rooms', room, this.id).catch(() => {});
  }
}

/** A node's own clock: it goes on while the node is stopped, and its timers wait. */
export class NodeClock implements Clock {
  readonly #clock: Clock;
  #stopped = false;
  #dead = false;
  readonly #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now = (): number => this.#clock.now();

  after(delayMs: number, task: () => void): Timer {
    return this.#clock.after(delayMs, () => this.#run(task));
  }

  every(periodMs: number, task: () => void): Timer {
    return this.#clock.every(periodMs, () => this.#run(task));
  }

  stop(): void {
    this.#stopped = true;
  }

  resume(): void {
    this.#stopped = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  kill(): void {
    this.#dead = true;
  }

  get runs(): boolean {
    return !this.#stopped && !this.#dead;
  }

  /** Never resolves in a dead node. */
  async awake(): Promise<void> {
    if (this.#dead) await new Promise(() => {});
    while (this.#stopped) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #run(task: () => void): void {
    if (this.#dead) return;
    if (this.#stopped) this.#waiting.push(task);
    else task();
  }
}
