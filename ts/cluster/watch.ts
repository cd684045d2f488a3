/**
 * Which Sluice nodes are alive: their leases, looked at while Redis answers. A lease that stays away for a while without
 * a break means that its node is dead; while Redis is away nobody is judged (docs/adr/0006-leases.md).
 */

import type { NodeId } from '../lib/ids.ts';
import type { Clock, Timer } from '../room/clock.ts';
import type { Keyspace } from './keyspace.ts';
import { leaseKey } from './lease.ts';

export interface WatchParts {
  readonly keyspace: Keyspace;
  /** Monotonic. */
  readonly clock: Clock;
  readonly self: NodeId;
  /** Every node with a record, those of livekit-server among them. */
  readonly nodes: () => Promise<readonly NodeId[]>;
  readonly onError: (error: unknown) => void;
}

export class LeaseWatch {
  readonly #parts: WatchParts;
  /** Monotonic milliseconds since when a lease is missing. */
  readonly #missingSince = new Map<NodeId, number>();
  /** Those told to be gone, and when: what they held may still be taken. */
  readonly #goneAt = new Map<NodeId, number>();
  /** Nodes that had a lease when last seen. */
  readonly #alive = new Set<NodeId>();
  readonly #listeners = new Set<(node: NodeId) => void>();
  #timer: Timer | undefined;
  #stopLink: (() => void) | undefined;
  #looking: Promise<void> | undefined;
  /** For metrics. */
  gone = 0;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, keyspace } = this.#parts;
    this.#timer = clock.every(LOOK_MS, () => void this.look());
    // Who has a lease is known before rooms are placed: records alone are judged by clocks, which may be wrong.
    void this.look();
    // What was missing before an outage may be renewed before it is judged.
    this.#stopLink = keyspace.link.onDown(() => this.#missingSince.clear());
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopLink?.();
    await this.#looking;
  }

  onGone(listener: (node: NodeId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As of the last look; `unknown` for what never had a lease here, such as a node of livekit-server. */
  standing(node: NodeId): 'alive' | 'missing' | 'unknown' {
    if (this.#missingSince.has(node) || this.#goneAt.has(node)) return 'missing';
    return this.#alive.has(node) ? 'alive' : 'unknown';
  }

  /**
   * Whether a Sluice node's lease has been away for long enough; asks Redis. Rejects with `unavailable` where it does not
   * answer.
   */
  async isGone(node: NodeId): Promise<boolean> {
    const { keyspace, clock } = this.#parts;
    const present = (await keyspace.get(leaseKey(node))) !== undefined;
    this.#seen(node, present);
    return this.#goneAt.has(node) || this.#judged(node, clock.now());
  }

  /** Looks at all nodes now. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(this.#parts.onError)
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { keyspace, clock, self, nodes } = this.#parts;
    if (!keyspace.link.up) return;
    this.#forgetGone(clock.now());
    const all = new Set([...(await nodes()), ...this.#alive, ...this.#missingSince.keys()]);
    all.delete(self);
    for (const node of all) {
      const present = (await keyspace.get(leaseKey(node))) !== undefined;
      if (present || this.standing(node) !== 'unknown') this.#seen(node, present);
      if (!this.#judged(node, clock.now())) continue;
      this.#missingSince.delete(node);
      this.#goneAt.set(node, clock.now());
      if (this.#alive.delete(node)) this.gone += 1;
      for (const listener of this.#listeners) listener(node);
    }
  }

  #seen(node: NodeId, present: boolean): void {
    if (present) {
      this.#goneAt.delete(node);
      this.#alive.add(node);
      this.#missingSince.delete(node);
    } else if (!this.#missingSince.has(node) && !this.#goneAt.has(node)) {
      this.#missingSince.set(node, this.#parts.clock.now());
    }
  }

  #forgetGone(now: number): void {
    for (const [node, at] of this.#goneAt) if (now - at > FORGET_MS) this.#goneAt.delete(node);
  }

  #judged(node: NodeId, now: number): boolean {
    const since = this.#missingSince.get(node);
    return since !== undefined && now - since >= GONE_AFTER_MS;
  }
}

const LOOK_MS = 500;
/** By then its rooms were taken or cleared up; one that was not waits for `GONE_AFTER_MS` once more. */
const FORGET_MS = 120_000;
/** More than two renewals: a lease that a failover of Redis lost is back by then. */
export const GONE_AFTER_MS = 2000;
