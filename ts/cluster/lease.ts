/**
 * This node's right to own rooms: a key in Redis that ends by itself, under an epoch that no other lease had before. A
 * node that can't renew it has no right from a little before the key ends, by its own monotonic clock; no clock of
 * another machine is asked.
 *
 * ```
 *            start()        acquired                reply too late
 * unheld ──────────► wanted ────────► held(epoch) ──────────────► lapsed(epoch)
 *                      ▲                │    ▲                        │
 *                      │   key gone     │    └── renewed: same epoch ─┤
 *                      └────────────────┴──────────── key gone ───────┘
 * ```
 */

import { newGuid } from '../lib/guid.ts';
import type { NodeId } from '../lib/ids.ts';
import type { Clock, Timer } from '../room/clock.ts';
import type { Keyspace } from './keyspace.ts';

export interface LeaseParts {
  readonly keyspace: Keyspace;
  readonly node: NodeId;
  /** Its `now()` only ever moves forward, whatever happens to the time of day. */
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** How the keyspace was found when the lease was acquired. */
export interface Acquired {
  readonly epoch: number;
  /** The keyspace has lost what was in it: nobody's former ownership can be read there. */
  readonly emptied: boolean;
  /** Until that happened, this node had been within its rights; nobody can have taken rooms of its. */
  readonly uninterrupted: boolean;
}

type State =
  | { readonly name: 'unheld' }
  | { readonly name: 'wanted' }
  | { readonly name: 'held'; readonly epoch: number };

export class NodeLease {
  readonly #parts: LeaseParts;
  readonly #key: string;
  readonly #acquiredListeners = new Set<(acquired: Acquired) => void>();
  #state: State = { name: 'unheld' };
  /** Monotonic milliseconds; the lease is certain before it. */
  #validUntil = Number.NEGATIVE_INFINITY;
  #lastEpoch = 0;
  /** Of the keyspace as of the last lease. */
  #era = '';
  #timer: Timer | undefined;
  #stopLink: (() => void) | undefined;
  #acquiring: Promise<void> | undefined;
  #wasValid = false;
  /** For metrics: times that the right ended before it was renewed. */
  lost = 0;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
    this.#key = leaseKey(parts.node);
  }

  /** Whether this node is within its rights at this instant. */
  get valid(): boolean {
    return this.#state.name === 'held' && this.#parts.clock.now() < this.#validUntil;
  }

  /** That of the lease held, valid or lapsed; 0 without one. */
  get epoch(): number {
    return this.#state.name === 'held' ? this.#state.epoch : 0;
  }

  /** Called with every fresh lease: what was owned under the former one has to be claimed again. */
  onAcquired(listener: (acquired: Acquired) => void): () => void {
    this.#acquiredListeners.add(listener);
    return () => this.#acquiredListeners.delete(listener);
  }

  /** Resolves after the first attempt, which Redis may have refused; attempts go on. */
  async start(): Promise<void> {
    const { clock, keyspace } = this.#parts;
    this.#state = { name: 'wanted' };
    this.#timer = clock.every(RENEW_MS, () => this.#tick());
    this.#stopLink = keyspace.link.onUp(() => this.#tick());
    await this.#acquireOnce();
  }

  /** Gives the lease back: others need not wait for its end. Idempotent. */
  async stop(): Promise<void> {
    const { epoch } = this;
    this.#timer?.cancel();
    this.#stopLink?.();
    await this.#acquiring;
    this.#state = { name: 'unheld' };
    this.#validUntil = Number.NEGATIVE_INFINITY;
    if (epoch > 0) {
      await this.#parts.keyspace.removeIfEquals(this.#key, String(epoch)).catch(this.#parts.onError);
    }
  }

  /** Asks Redis whether the lease of this epoch is still there, and renews it. Rejects where Redis does not answer. */
  async confirm(epoch: number): Promise<boolean> {
    const { keyspace, clock } = this.#parts;
    const sentAt = clock.now();
    const there = await keyspace.extendIfEquals(this.#key, String(epoch), LEASE_MS);
    if (this.epoch !== epoch) return false;
    if (there) this.#renewed(sentAt);
    else this.#gone();
    return there && this.valid;
  }

  #tick(): void {
    const valid = this.valid;
    if (this.#wasValid && !valid) this.lost += 1;
    this.#wasValid = valid;
    if (this.#state.name === 'wanted') void this.#acquireOnce();
    // The next renewal does not wait for this one: answers may be slow, and all the same come.
    else if (this.#state.name === 'held') this.confirm(this.#state.epoch).catch(this.#parts.onError);
  }

  #renewed(sentAt: number): void {
    // Redis counts from when it got the command, which is later than this.
    this.#validUntil = Math.max(this.#validUntil, sentAt + VALID_MS);
    this.#wasValid = true;
  }

  /** The key was removed or ended: whoever saw that may have taken our rooms. */
  #gone(): void {
    this.#state = { name: 'wanted' };
    void this.#acquireOnce();
  }

  #acquireOnce(): Promise<void> {
    this.#acquiring ??= this.#acquire()
      .catch(this.#parts.onError)
      .finally(() => {
        this.#acquiring = undefined;
      });
    return this.#acquiring;
  }

  async #acquire(): Promise<void> {
    const { keyspace, clock } = this.#parts;
    if (this.#state.name !== 'wanted' || !keyspace.link.up) return;
    const former = this.#lastEpoch;
    const { era, emptied } = await this.#readEra(former > 0);
    const uninterrupted = clock.now() < this.#validUntil;
    const epoch = await this.#nextEpoch(former);
    const sentAt = clock.now();
    await keyspace.set(this.#key, String(epoch), { ttlMs: LEASE_MS });
    if (this.#state.name !== 'wanted') return;
    this.#era = era;
    this.#lastEpoch = epoch;
    this.#state = { name: 'held', epoch };
    this.#validUntil = sentAt + VALID_MS;
    this.#wasValid = this.valid;
    for (const listener of this.#acquiredListeners) listener({ epoch, emptied, uninterrupted });
  }

  /**
   * Whoever comes to an empty keyspace first names its era; another name later means that it was emptied since. Rooms that
   * nobody owns are not free then: their owners first have to notice. That is said before anything else.
   */
  async #readEra(known: boolean): Promise<{ era: string; emptied: boolean }> {
    const { keyspace } = this.#parts;
    const found = decode(await keyspace.get(ERA_KEY));
    const emptied = found === undefined || (known && found !== this.#era);
    if (emptied) await this.#settle(known);
    if (found !== undefined) return { era: found, emptied };
    const own = newGuid('ERA_');
    if (await keyspace.set(ERA_KEY, own, { onlyIfAbsent: true })) return { era: own, emptied };
    const others = decode(await keyspace.get(ERA_KEY));
    if (others === undefined) throw new Error('the keyspace was emptied just now');
    return { era: others, emptied };
  }

  /** The first who knew the keyspace before says how long; each further one found it emptied later than it was. */
  async #settle(known: boolean): Promise<void> {
    const { keyspace } = this.#parts;
    if (!known) {
      await keyspace.set(SETTLING_KEY, NEWBORN, { ttlMs: NEWBORN_MS, onlyIfAbsent: true });
      return;
    }
    if (decode(await keyspace.get(SETTLING_KEY)) === EMPTIED) return;
    await keyspace.set(SETTLING_KEY, EMPTIED, { ttlMs: SETTLING_MS });
  }

  async #nextEpoch(former: number): Promise<number> {
    const { keyspace } = this.#parts;
    const next = await keyspace.increment(EPOCH_KEY);
    if (next > former) return next;
    await keyspace.replaceIf(EPOCH_KEY, (current) => {
      return Number(decode(current) ?? 0) < former ? new TextEncoder().encode(String(former)) : undefined;
    });
    return keyspace.increment(EPOCH_KEY);
  }
}

export function leaseKey(node: NodeId): string {
  return `sluice:lease:${node}`;
}

export function decode(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

const EPOCH_KEY = 'sluice:epoch';
const ERA_KEY = 'sluice:era';
/** There while rooms without an owner may be taken by nobody but their former owners. */
export const SETTLING_KEY = 'sluice:settling';
/** Shorter: a slow network looks like a dead node. Longer: rooms of dead nodes wait longer. */
export const LEASE_MS = 4000;
export const RENEW_MS = 1000;
/** What is left of the lease when this node stops trusting it, for clocks that run at different speeds. */
export const VALID_MS = LEASE_MS - 500;
/** Longer than any right from before can last: each was renewed before the keyspace was emptied. */
export const SETTLING_MS = VALID_MS + 100;
const EMPTIED = 'emptied';
const NEWBORN = 'newborn';
/** Enough for all nodes that Redis can hear; whoever finds a keyspace empty can't tell a new one from an emptied one. */
const NEWBORN_MS = 1500;
