import type { Log } from '../log/log.ts';

/** Tells operators of outages: of one that lasts at most once a second, and when it is over. */
export class Outages {
  readonly #log: Log;
  readonly #now: () => number;
  #count = 0;
  #since: number | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  get count(): number {
    return this.#count;
  }

  began(): void {
    this.#count += 1;
    this.#since = this.#now();
  }

  /** Something that is the matter with Redis, as often as it happens. */
  tell(reason: string): void {
    const now = this.#now();
    if (now - this.#toldAt < MIN_GAP_MS) {
      this.#unsaid += 1;
      return;
    }
    this.#log.warn({ reason, ...(this.#unsaid === 0 ? {} : { unsaid: this.#unsaid }) }, 'redis is not available');
    this.#toldAt = now;
    this.#unsaid = 0;
  }

  ended(): void {
    const outageMs = Math.round(this.#now() - (this.#since ?? this.#now()));
    if (this.#since !== undefined) this.#log.info({ outageMs }, 'redis is available again');
    this.#since = undefined;
    this.#toldAt = Number.NEGATIVE_INFINITY;
    this.#unsaid = 0;
  }
}

const MIN_GAP_MS = 1000;
