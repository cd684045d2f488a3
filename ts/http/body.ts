import { type Deferred, deferred } from '../lib/deferred.ts';
import { BodyTooLarge } from './types.ts';

/** Gathers a request body of bounded length; what exceeds the bound is counted and dropped. */
export class BodyCollector {
  /** True when the last byte has come. */
  complete = false;
  readonly #limit: number;
  readonly #whole: Deferred<Uint8Array> = deferred();
  readonly #over: Deferred<void> = deferred();
  #chunks: Buffer[] = [];
  #length = 0;

  /** `limit` in bytes, 0 for none. */
  constructor(limit: number) {
    this.#limit = limit;
    // Nobody may ask for the body; a rejection must not count as unhandled then.
    this.#whole.promise.catch(() => {});
  }

  /** Rejects with `BodyTooLarge` or, after `abort`, with an error that says so. */
  get whole(): Promise<Uint8Array> {
    return this.#whole.promise;
  }

  /** `chunk` must be a copy of ours. */
  add(chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.#limit === 0 || this.#length <= this.#limit) {
      this.#chunks.push(chunk);
    } else {
      this.#chunks = [];
      this.#whole.reject(new BodyTooLarge());
      if (this.#length > this.#limit + MAX_DROPPED_BYTES) this.#over.resolve();
    }
  }

  end(): void {
    this.complete = true;
    this.#whole.resolve(Buffer.concat(this.#chunks));
    this.#chunks = [];
    this.#over.resolve();
  }

  abort(): void {
    this.#chunks = [];
    this.#whole.reject(new Error('the client is gone'));
    this.#over.resolve();
  }

  /**
   * Waits, not for long, until the client has sent what it wanted to: a connection that is closed before loses the reply
   * for clients that write first and read later.
   */
  async passed(): Promise<void> {
    if (this.complete) return;
    const timer = setTimeout(this.#over.resolve, MAX_WAIT_MS);
    await this.#over.promise;
    clearTimeout(timer);
  }
}

const MAX_DROPPED_BYTES = 32 * 1024 * 1024;
const MAX_WAIT_MS = 1000;
