/** Bounds how many requests one client may send: a burst, refilled at a steady rate. */
export class RequestBudget {
  #left = BURST;
  #refilledAt = 0;

  /** `now` in milliseconds. False when nothing is left. */
  spend(now: number): boolean {
    this.#left = Math.min(BURST, this.#left + ((now - this.#refilledAt) / 1000) * PER_SECOND);
    this.#refilledAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** A client of a room of thousands settles each of its subscriptions when it joins. */
const BURST = 5000;
const PER_SECOND = 500;
