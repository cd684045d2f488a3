/**
 * How many clients may be on their way in at once. Each join takes milliseconds of the event loop, so that clients beyond
 * what it does within their patience would all come too late: they are told to come again instead.
 */
export class Admission {
  readonly #limit: number;
  #entering = 0;

  constructor(limit = MAX_ENTERING) {
    this.#limit = limit;
  }

  /** False where one has to come again later; otherwise `leave` must follow. */
  enter(): boolean {
    if (this.#entering >= this.#limit) return false;
    this.#entering += 1;
    return true;
  }

  /** It is in, or was refused. */
  leave(): void {
    this.#entering -= 1;
  }
}

/** At 6 ms each, a slow machine's, the last of them waits for 3 s; the first try of a session lasts as long. */
const MAX_ENTERING = 500;
/** Seconds that clients are asked to wait. */
export const RETRY_AFTER_S = 1;
