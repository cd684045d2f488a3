/**
 * Which node owns which room: a hash in Redis that is changed by comparing writes only. An entry counts while its node
 * has the lease of its epoch; once that is certainly gone, the room may be taken (docs/adr/0006-leases.md).
 *
 * ```
 *          claim                    lease lapses                    lease anew, swap won
 * nobody's ─────► ours (held) ───────────────────► ours (in doubt) ──────────────────────► ours (held), republished
 *    ▲                │ release                          │ another's meanwhile
 *    └────────────────┘                                  └────────────────────────────────► lost: participants told
 * ```
 */

import type { NodeId, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Clock, Timer } from '../room/clock.ts';
import type { Keyspace } from './keyspace.ts';
import { type Acquired, decode, type NodeLease, RENEW_MS, SETTLING_KEY, SETTLING_MS, VALID_MS } from './lease.ts';
import type { OwnedRooms, RoomOwnership } from './types.ts';
import type { LeaseWatch } from './watch.ts';

export interface Owner {
  readonly node: NodeId;
  readonly epoch: number;
}

type Outcome = 'ours' | 'theirs' | 'wait';

export interface OwnersParts {
  readonly keyspace: Keyspace;
  readonly self: NodeId;
  readonly lease: NodeLease;
  readonly watch: LeaseWatch;
  /** Monotonic. */
  readonly clock: Clock;
  /** What a node without leases, one of livekit-server, has; undefined where no such node holds the room. */
  readonly foreignOwner: (room: RoomName) => Promise<NodeId | undefined>;
  /** Tells livekit-server's nodes where the room is. */
  readonly assign: (room: RoomName) => Promise<void>;
  /** Takes that back; the room stays in the store for whoever gets it next. */
  readonly unassign: (room: RoomName) => Promise<void>;
  /** Removes what the store has of a room. */
  readonly removeRoom: (room: RoomName) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export class RoomOwners implements RoomOwnership {
  readonly #parts: OwnersParts;
  /** Rooms claimed, under which epoch. */
  readonly #owned = new Map<RoomName, number>();
  /** Ended here while in doubt: to be given up, and removed from the store, when they are ours again. */
  readonly #abandoned = new Map<RoomName, { readonly remove: boolean }>();
  /** Rooms of dead nodes of which the rest is being removed. */
  readonly #cleaning = new Set<RoomName>();
  /** Rooms that are being claimed just now. */
  readonly #claiming = new Set<RoomName>();
  #rooms: OwnedRooms | undefined;
  #stopLease: (() => void) | undefined;
  #reclaiming: Promise<void> | undefined;
  #retry: Timer | undefined;
  #auditor: Timer | undefined;
  #audit: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  /** For metrics. */
  claimed = 0;
  lost = 0;

  constructor(parts: OwnersParts) {
    this.#parts = parts;
  }

  /** Rooms that are hosted here from now on are claimed again with each fresh lease. */
  start(rooms: OwnedRooms): void {
    this.#rooms = rooms;
    const { lease, clock, onError } = this.#parts;
    this.#stopLease = lease.onAcquired((acquired) => this.#onLease(acquired));
    this.#auditor = clock.every(AUDIT_MS, () => {
      this.#audit ??= this.#lookAtEntries()
        .catch(onError)
        .finally(() => {
          this.#audit = undefined;
        });
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopLease?.();
    this.#retry?.cancel();
    this.#auditor?.cancel();
    await this.#audit;
    await this.#reclaiming;
  }

  holds(room: RoomName): boolean {
    const { lease } = this.#parts;
    return lease.valid && this.#owned.get(room) === lease.epoch;
  }

  /** Who is written down; undefined for nobody. */
  async ownerOf(room: RoomName): Promise<Owner | undefined> {
    return parseOwner(await this.#parts.keyspace.hashGet(OWNERS_KEY, room));
  }

  async claim(room: RoomName): Promise<void> {
    const { clock, keyspace } = this.#parts;
    if (this.holds(room)) return;
    if (!keyspace.link.up) throw new RpcError('unavailable', 'redis is not available: no room can be taken');
    const deadline = clock.now() + CLAIM_MS;
    for (;;) {
      const outcome = await this.#tryClaim(room, false);
      if (outcome === 'ours') break;
      if (outcome === 'theirs') throw new RpcError('unavailable', 'the room is on another node');
      if (this.#stopped || clock.now() >= deadline) throw new RpcError('unavailable', 'no node can take the room yet');
      await pause(clock, CLAIM_RETRY_MS);
    }
    this.#abandoned.delete(room);
    this.claimed += 1;
    await this.#parts.assign(room);
  }

  /**
   * Runs `task` for a room that a dead node, or nobody, owns, while nobody can take it. Resolves to false, without having
   * run it, where that can't be had.
   */
  async clean(room: RoomName, task: () => Promise<void>): Promise<boolean> {
    if (this.#owned.has(room) || this.#cleaning.has(room) || this.#claiming.has(room)) return false;
    const { epoch } = this.#parts.lease;
    this.#cleaning.add(room);
    try {
      if ((await this.#tryWrite(room, epoch, false)) !== 'ours') return false;
      await this.#cleanUnder(room, epoch, task);
      return true;
    } finally {
      this.#cleaning.delete(room);
    }
  }

  async #cleanUnder(room: RoomName, epoch: number, task: () => Promise<void>): Promise<void> {
    const { keyspace, self, onError } = this.#parts;
    try {
      await task();
    } finally {
      await keyspace.hashSwap(OWNERS_KEY, room, formatOwner({ node: self, epoch }), undefined).catch(onError);
    }
  }

  /** All that is written down, a page at a time. */
  async *entries(): AsyncIterable<[room: RoomName, owner: Owner][]> {
    for await (const page of this.#parts.keyspace.hashPages(OWNERS_KEY)) {
      yield page.flatMap(([room, value]): [RoomName, Owner][] => {
        const owner = parseOwner(value);
        return owner === undefined ? [] : [[room as RoomName, owner]];
      });
    }
  }

  async release(room: RoomName, remove: boolean): Promise<void> {
    const { removeRoom, unassign, onError, keyspace, self } = this.#parts;
    const epoch = this.#owned.get(room);
    if (epoch === undefined) return;
    try {
      if (!this.holds(room)) throw new RpcError('unavailable', 'the lease has lapsed');
      if (remove) await removeRoom(room);
      else await unassign(room);
      // Last, so that nobody takes a room of which something is left.
      this.#owned.delete(room);
      await keyspace.hashSwap(OWNERS_KEY, room, formatOwner({ node: self, epoch }), undefined);
    } catch (error) {
      this.#owned.delete(room);
      this.#abandoned.set(room, { remove });
      onError(error);
      this.#retryLater(RENEW_MS);
    }
  }

  /**
   * `wait` where it is neither ours nor certainly another's yet. Rejects with `unavailable` where Redis does not answer.
   * A `former` owner need not wait until an emptied keyspace has settled.
   */
  async #tryClaim(room: RoomName, former: boolean): Promise<Outcome> {
    // What this node writes for the one looks the same as for the other: only one of them at a time.
    if (this.#cleaning.has(room) || this.#claiming.has(room)) return 'wait';
    const { epoch } = this.#parts.lease;
    this.#claiming.add(room);
    try {
      const outcome = await this.#tryWrite(room, epoch, former);
      if (outcome === 'ours') this.#owned.set(room, epoch);
      return outcome;
    } finally {
      this.#claiming.delete(room);
    }
  }

  async #tryWrite(room: RoomName, epoch: number, former: boolean): Promise<Outcome> {
    const { keyspace, lease, self, foreignOwner } = this.#parts;
    if (!lease.valid) return 'wait';
    const current = await keyspace.hashGet(OWNERS_KEY, room);
    const owner = parseOwner(current);
    const free = owner === undefined && !former;
    if (free && (await this.#settling())) return 'wait';
    if (owner !== undefined && owner.node !== self) {
      const standing = await this.#standing(owner.node);
      if (standing !== 'gone') return standing === 'alive' ? 'theirs' : 'wait';
    }
    const foreign = await foreignOwner(room);
    // Whoever is written down here is none of livekit-server's, whatever the age of its record.
    if (foreign !== undefined && foreign !== owner?.node) return 'theirs';
    const mine = formatOwner({ node: self, epoch });
    if (!(await keyspace.hashSwap(OWNERS_KEY, room, current, mine))) return 'wait';
    // Only now is it certain that the keyspace we wrote to is the one that our lease is in.
    if ((await lease.confirm(epoch)) && !(free && (await this.#settling()))) return 'ours';
    await keyspace.hashSwap(OWNERS_KEY, room, mine, current);
    return 'wait';
  }

  async #settling(): Promise<boolean> {
    return (await this.#parts.keyspace.get(SETTLING_KEY)) !== undefined;
  }

  async #standing(node: NodeId): Promise<'alive' | 'missing' | 'gone'> {
    const { watch } = this.#parts;
    if (await watch.isGone(node)) return 'gone';
    return watch.standing(node) === 'alive' ? 'alive' : 'missing';
  }

  #onLease({ emptied, uninterrupted }: Acquired): void {
    // Others may have been within their rights in what was lost, and get the time to write it down again.
    if (emptied && !uninterrupted) this.#retryLater(VALID_MS + 100);
    else this.#reclaimAll();
  }

  #retryLater(delayMs: number): void {
    if (this.#stopped) return;
    this.#retry?.cancel();
    this.#retry = this.#parts.clock.after(delayMs, () => this.#reclaimAll());
  }

  #reclaimAll(): void {
    if (this.#stopped) return;
    if (this.#reclaiming !== undefined) {
      this.#again = true;
      return;
    }
    this.#reclaiming = this.#reclaim()
      .then((whole) => {
        if (!whole) this.#retryLater(RENEW_MS);
      })
      .catch((error) => {
        this.#parts.onError(error);
        this.#retryLater(RENEW_MS);
      })
      .finally(() => {
        this.#reclaiming = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#reclaimAll();
      });
  }

  /** Whether every room is settled, one way or the other. */
  async #reclaim(): Promise<boolean> {
    let whole = true;
    for (const [room, { remove }] of [...this.#abandoned]) {
      const outcome = await this.#tryClaim(room, true);
      if (outcome === 'wait') whole = false;
      else this.#abandoned.delete(room);
      if (outcome === 'ours') await this.release(room, remove);
    }
    for (const room of this.#rooms?.hosted() ?? []) {
      // Rooms on their way in are claimed by who makes them.
      if (this.holds(room) || !this.#owned.has(room)) continue;
      const outcome = await this.#tryClaim(room, true);
      if (outcome === 'wait') whole = false;
      else if (outcome === 'ours') await this.#regained(room);
      else await this.#loses(room);
    }
    return whole;
  }

  /** A failover of Redis may lose entries and keep the lease: rooms without theirs are in doubt. */
  async #lookAtEntries(): Promise<void> {
    const { keyspace, self, lease } = this.#parts;
    if (!keyspace.link.up || !lease.valid) return;
    const { epoch } = lease;
    const rooms = [...(this.#rooms?.hosted() ?? [])].filter((room) => this.holds(room));
    for (let start = 0; start < rooms.length; start += PAGE) {
      const page = rooms.slice(start, start + PAGE);
      const entries = await keyspace.hashGetMany(OWNERS_KEY, page);
      for (const [index, room] of page.entries()) {
        const owner = parseOwner(entries[index]);
        if (owner?.node === self && owner.epoch === epoch) continue;
        if (this.#owned.get(room) === epoch && lease.epoch === epoch) this.#owned.set(room, NO_EPOCH);
      }
    }
    if (rooms.some((room) => this.#owned.get(room) === NO_EPOCH)) this.#reclaimAll();
  }

  async #regained(room: RoomName): Promise<void> {
    await this.#parts.assign(room);
    this.#rooms?.republish(room);
  }

  async #loses(room: RoomName): Promise<void> {
    this.lost += 1;
    this.#owned.delete(room);
    await this.#rooms?.lost(room);
  }
}

export function formatOwner({ node, epoch }: Owner): string {
  return `${node}/${epoch}`;
}

export function parseOwner(value: Uint8Array | undefined): Owner | undefined {
  const match = /^(.+)\/(\d+)$/.exec(decode(value) ?? '');
  return match === null ? undefined : { node: match[1] as NodeId, epoch: Number(match[2]) };
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}

export const OWNERS_KEY = 'sluice:owners';
const CLAIM_RETRY_MS = 250;
/** How long a lost entry may go unnoticed. */
const AUDIT_MS = 2000;
const PAGE = 500;
/** Under which no lease ever was. */
const NO_EPOCH = 0;
/** Long enough for a dead owner to be found dead, and for an emptied keyspace to settle. */
const CLAIM_MS = SETTLING_MS + 3000;
