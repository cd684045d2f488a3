/** Where clients were led last: one that comes back within minutes need not fail again first (livekit-facts 12.3). */

import type { Identity, RoomName } from '../lib/ids.ts';
import type { CandidatePreference } from '../negotiate/types.ts';
import type { Clock } from './clock.ts';

export class Preferences {
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #entries = new Map<string, { preference: CandidatePreference; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `any` where nothing else is known. */
  get(room: RoomName, identity: Identity): CandidatePreference {
    const entry = this.#entries.get(keyOf(room, identity));
    return entry === undefined || this.#clock.now() >= entry.until ? 'any' : entry.preference;
  }

  put(room: RoomName, identity: Identity, preference: CandidatePreference): void {
    const key = keyOf(room, identity);
    this.#entries.delete(key);
    if (preference !== 'any') this.#entries.set(key, { preference, until: this.#clock.now() + LIFETIME_MS });
    this.#forgetOld();
  }

  #forgetOld(): void {
    for (const [key, { until }] of this.#entries) {
      if (this.#clock.now() < until) return;
      this.#entries.delete(key);
    }
  }
}

function keyOf(room: RoomName, identity: Identity): string {
  return JSON.stringify([room, identity]);
}

const LIFETIME_MS = 5 * 60_000;
