/**
 * Connections that have not sent a request yet, counted by address: one host that opens thousands and keeps silent must not
 * use up what others need. Who has sent a request is not counted any more, so everybody behind one proxy or NAT, which
 * looks like one host, may stay connected; only the few that are about to speak share the limit.
 */

import { addressGroup } from './address.ts';

export interface Newcomer {
  readonly group: string;
  /** Milliseconds. */
  readonly since: number;
}

export class Newcomers {
  /** 0 for no limit. */
  readonly #limit: number;
  readonly #now: () => number;
  /** In the order of arrival. */
  readonly #groups = new Map<string, Set<Newcomer>>();
  #refused = 0;

  constructor(limit: number, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  get unlimited(): boolean {
    return this.#limit === 0;
  }

  /** Connections refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /** Undefined where the connection must be closed. */
  arrive(address: string): Newcomer | undefined {
    const newcomer = { group: addressGroup(address), since: this.#now() };
    const group = this.#groups.get(newcomer.group) ?? new Set();
    if (!this.unlimited && group.size >= this.#limit) {
      forgetOld(group, newcomer.since - FORGOTTEN_AFTER_MS);
      if (group.size >= this.#limit) {
        this.#refused += 1;
        return undefined;
      }
    }
    group.add(newcomer);
    this.#groups.set(newcomer.group, group);
    return newcomer;
  }

  /** It has sent a request, or is gone. */
  settle(newcomer: Newcomer): void {
    const group = this.#groups.get(newcomer.group);
    if (group?.delete(newcomer) === true && group.size === 0) this.#groups.delete(newcomer.group);
  }

  /** Some connection of this address, nobody knows which, has sent a request. */
  settleOldest(address: string): void {
    const [oldest] = this.#groups.get(addressGroup(address)) ?? [];
    if (oldest !== undefined) this.settle(oldest);
  }
}

function forgetOld(group: Set<Newcomer>, before: number): void {
  for (const newcomer of group) {
    if (newcomer.since > before) return;
    group.delete(newcomer);
  }
}

/** Longer than any connection may take for its first request. */
const FORGOTTEN_AFTER_MS = 60_000;
