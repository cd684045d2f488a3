/** Collects requests for a short while: several subscriptions become one offer. */

export class Debounce {
  readonly #delay: number;
  readonly #run: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `delay` in milliseconds. */
  constructor(delay: number, run: () => void) {
    this.#delay = delay;
    this.#run = run;
  }

  request(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#run();
    }, this.#delay);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * livekit-server waits 150 ms, or 10 ms after a quiet time. Only one offer is outstanding at a time, so a burst
 * collects by itself behind the first one; waiting longer only delays the first media.
 */
export const NEGOTIATION_DELAY_MS = 10;

/** Without an answer for this long the client has to start over (livekit-facts 3.2). */
export const NEGOTIATION_TIMEOUT_MS = 15_000;
