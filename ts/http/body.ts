import { type Deferred, deferred } from '../lib/deferred.ts';
import { BodyTooLarge } from './types.ts';

/** Gathers a request body of bounded length. */
export class BodyCollector {
  /** True when the last byte has come. */
  complete = false;
  readonly #limit: number;
  readonly #whole: Deferred<Uint8Array> = deferred();
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

  /** `chunk` must be a copy of ours. False once the body is too large: more need not come. */
  add(chunk: Buffer): boolean {
    this.#length += chunk.length;
    if (this.#limit > 0 && this.#length > this.#limit) {
      this.#chunks = [];
      this.#whole.reject(new BodyTooLarge());
      return false;
    }
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.complete = true;
    this.#whole.resolve(Buffer.concat(this.#chunks));
    this.#chunks = [];
  }

  abort(): void {
    this.#chunks = [];
    this.#whole.reject(new Error('the client is gone'));
  }
}
