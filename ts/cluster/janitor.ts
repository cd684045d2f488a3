/**
 * Clears up after dead nodes: at once what they wrote about themselves and who was in their rooms, and the rooms
 * themselves once nobody came back for as long as an empty room lasts. Rooms of livekit-server's nodes that are there are
 * never touched.
 */

import type { NodeId, RoomName } from '../lib/ids.ts';
import type { Clock, Timer } from '../room/clock.ts';
import type { Keyspace } from './keyspace.ts';
import { leaseKey, type NodeLease } from './lease.ts';
import type { ClusterMembers } from './members.ts';
import type { RoomOwners } from './owners.ts';
import { ROOM_NODE_MAP } from './store-keys.ts';
import type { Store } from './types.ts';

export interface JanitorParts {
  readonly self: NodeId;
  readonly keyspace: Keyspace;
  readonly store: Pick<Store, 'rooms' | 'participants' | 'nodes'>;
  readonly lease: NodeLease;
  readonly owners: RoomOwners;
  readonly members: ClusterMembers;
  /** Monotonic. */
  readonly clock: Clock;
  /** Time of day. */
  readonly now: () => Date;
  readonly onError: (error: unknown) => void;
}

export class Janitor {
  readonly #parts: JanitorParts;
  /** Rooms that nobody owns, and since when, in monotonic milliseconds. */
  readonly #deserted = new Map<RoomName, number>();
  #timer: Timer | undefined;
  #stopMembers: (() => void) | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: JanitorParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stopMembers = this.#parts.members.onGone((node) => this.#then(() => this.#bury(node)));
    this.#timer = this.#parts.clock.every(ROUND_MS, () => this.#then(() => this.#round()));
    this.#then(() => this.#pruneRecords());
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopMembers?.();
    this.#timer?.cancel();
    await this.#work;
  }

  /** One thing after the other. */
  #then(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#idle) return;
      await task().catch(this.#parts.onError);
    });
  }

  /** A node that may not write about rooms leaves this to others. */
  get #idle(): boolean {
    return this.#stopped || !this.#parts.lease.valid;
  }

  async #bury(node: NodeId): Promise<void> {
    const { owners, store } = this.#parts;
    for await (const page of owners.entries()) {
      for (const [room, owner] of page) {
        if (this.#idle) return;
        if (owner.node === node) await owners.clean(room, () => this.#empty(room, node));
      }
    }
    await this.#unmap(node);
    await store.nodes.unregister(node);
  }

  /** Rooms that were given to the node and that it did not live to own. */
  async #unmap(node: NodeId): Promise<void> {
    const { keyspace } = this.#parts;
    for await (const page of keyspace.hashPages(ROOM_NODE_MAP)) {
      for (const [room, value] of page) {
        if (this.#idle) return;
        if (Buffer.from(value).toString() === node) await keyspace.hashSwap(ROOM_NODE_MAP, room, node, undefined);
      }
    }
  }

  /** Nobody is in the room any more. */
  async #empty(room: RoomName, node: NodeId): Promise<void> {
    const { store, keyspace } = this.#parts;
    for (const { identity } of await store.participants.list(room)) {
      await store.participants.remove(room, identity as Parameters<typeof store.participants.remove>[1]);
    }
    await keyspace.hashSwap(ROOM_NODE_MAP, room, node, undefined);
  }

  /** As livekit-server does when it starts: records of nodes that are long dead. */
  async #pruneRecords(): Promise<void> {
    const { members, store, self, now, keyspace } = this.#parts;
    for (const node of await members.list()) {
      const age = now().getTime() / 1000 - node.stats.updatedAt;
      if (node.id === self || members.isAvailable(node) || age <= STALE_SECONDS) continue;
      // Ours may be the clock that is wrong.
      const living = (await keyspace.get(leaseKey(node.id))) !== undefined;
      if (!living) await store.nodes.unregister(node.id);
    }
  }

  /** One node at a time looks for deserted rooms. */
  async #round(): Promise<void> {
    const { keyspace, self, store, clock } = this.#parts;
    const mine = await keyspace.set(JANITOR_KEY, self, { ttlMs: TURN_MS, onlyIfAbsent: true });
    if (!mine && !(await keyspace.extendIfEquals(JANITOR_KEY, self, TURN_MS))) {
      this.#deserted.clear();
      return;
    }
    const rooms = new Map((await store.rooms.list()).map((room) => [room.name as RoomName, room]));
    const deserted = await this.#withoutNode([...rooms.keys()]);
    for (const room of this.#deserted.keys()) if (!deserted.has(room)) this.#deserted.delete(room);
    const now = clock.now();
    for (const name of deserted) {
      if (this.#idle) return;
      const since = this.#deserted.get(name) ?? now;
      this.#deserted.set(name, since);
      const room = rooms.get(name);
      if (room === undefined || now - since < room.departureTimeout * 1000 || this.#isYoung(room)) continue;
      await this.#parts.owners.clean(name, () => store.rooms.remove(name));
    }
  }

  /** Made for people who have not come yet. */
  #isYoung({ creationTime, emptyTimeout }: { creationTime: bigint; emptyTimeout: number }): boolean {
    return this.#parts.now().getTime() / 1000 - Number(creationTime) < emptyTimeout;
  }

  async #withoutNode(names: RoomName[]): Promise<Set<RoomName>> {
    const { owners, members, keyspace } = this.#parts;
    const owned = new Set<string>();
    for await (const page of owners.entries()) for (const [room] of page) owned.add(room);
    const unowned = names.filter((name) => !owned.has(name));
    const available = new Set<string>(
      (await members.list()).filter((node) => members.isAvailable(node)).map((n) => n.id),
    );
    const deserted = new Set<RoomName>();
    for (let start = 0; start < unowned.length; start += PAGE) {
      const page = unowned.slice(start, start + PAGE);
      const nodes = await keyspace.hashGetMany(ROOM_NODE_MAP, page);
      for (const [index, name] of page.entries()) {
        const node = nodes[index];
        if (node === undefined || !available.has(Buffer.from(node).toString())) deserted.add(name);
      }
    }
    return deserted;
  }
}

const ROUND_MS = 10_000;
/** A turn that is not renewed at the next round goes to another node. */
const TURN_MS = 25_000;
const STALE_SECONDS = 30;
const PAGE = 500;
const JANITOR_KEY = 'sluice:janitor';
