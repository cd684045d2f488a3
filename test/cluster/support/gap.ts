/** How long a receiver went without anything new. */

/**
 * Judges media by decoded frames. A machine that is short of time delays sources as well, and no fault did that: what the
 * source itself was late is told apart.
 */
export class GapMeter {
  #last = performance.now();
  #longest = 0;
  frames = 0;

  /** Something came in, or went out. */
  tick(): void {
    const now = performance.now();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
    this.frames += 1;
  }

  /** The longest gap since the last question, the one that lasts included, milliseconds. */
  take(): number {
    const longest = Math.max(this.#longest, performance.now() - this.#last);
    this.#longest = 0;
    this.#last = performance.now();
    return Math.round(longest);
  }
}
