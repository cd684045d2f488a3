import { fromWireTime } from './envelope.ts';

/** Clocks that may tell what time it is, in milliseconds since 1970. */
export interface Clocks {
  /** This machine's. */
  readonly now?: () => number;
  /** One that all share; `undefined` while it is not known. */
  readonly sharedNow?: () => number | undefined;
}

/** When a message was sent, and from when on nobody wants it. */
export interface Times {
  readonly sentAt: bigint;
  readonly expiry: bigint;
}

/**
 * Messages say when they end, as a time of day, and machines whose clocks differ would take each other's for late. So of
 * this machine's clock and the one that all share whichever is kinder counts: the later for what is sent, the earlier for
 * what is heard. Where both are right nothing changes, and where one is wrong messages live longer, never shorter.
 */
export class WireClock {
  readonly #now: () => number;
  readonly #sharedNow: () => number | undefined;

  constructor({ now, sharedNow }: Clocks) {
    this.#now = now ?? (() => Date.now());
    this.#sharedNow = sharedNow ?? (() => undefined);
  }

  /** The time that messages sent now carry. */
  stamp(): number {
    const own = this.#now();
    return Math.max(own, this.#sharedNow() ?? own);
  }

  /** Milliseconds since this ended; negative while it has not. */
  lateness({ expiry }: Times): number {
    const own = this.#now();
    return Math.min(own, this.#sharedNow() ?? own) - fromWireTime(expiry);
  }

  /** Milliseconds that the sender of what came just now still waits; never more than a timer can hold. */
  remaining(times: Times): number {
    const whole = fromWireTime(times.expiry - times.sentAt);
    return Math.min(Math.max(Math.min(-this.lateness(times), whole), 0), LONGEST_WAIT_MS);
  }
}

const LONGEST_WAIT_MS = 3_600_000;
