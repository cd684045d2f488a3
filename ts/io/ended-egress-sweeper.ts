import type { EgressStore } from '../cluster/egress-store.ts';

export interface EndedEgressSweeperParts {
  readonly store: EgressStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** Forgets egresses that ended a day ago; every node does, and none minds another. */
export class EndedEgressSweeper {
  readonly #parts: EndedEgressSweeperParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: EndedEgressSweeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#running = this.#running.then(() => this.sweep());
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  /** Never rejects. */
  async sweep(): Promise<void> {
    const { store, now, onError } = this.#parts;
    try {
      await store.removeEndedBefore(BigInt(now() - KEPT_MS) * NS_PER_MS);
    } catch (error) {
      onError(error);
    }
  }

  /** Waits for a sweep that runs. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}

const INTERVAL_MS = 30 * 60_000;
const KEPT_MS = 24 * 60 * 60_000;
const NS_PER_MS = 1_000_000n;
