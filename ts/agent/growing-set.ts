import { type Deferred, deferred } from '../lib/deferred.ts';

/** A set that becomes known piece by piece; many may go through it, each from its start to its end. */
export class GrowingSet<T> implements AsyncIterable<T> {
  readonly #items = new Set<T>();
  readonly #order: T[] = [];
  #change: Deferred<void> = deferred();
  #ended = false;

  add(item: T): void {
    if (this.#ended || this.#items.has(item)) return;
    this.#items.add(item);
    this.#order.push(item);
    this.#changed();
  }

  end(): void {
    this.#ended = true;
    this.#changed();
  }

  /** Whether it has the item: at once where it has, else when it is known to have not. */
  async has(item: T): Promise<boolean> {
    while (!this.#items.has(item) && !this.#ended) await this.#change.promise;
    return this.#items.has(item);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (let index = 0; ; ) {
      for (const item of this.#order.slice(index)) {
        index += 1;
        yield item;
      }
      if (index < this.#order.length) continue;
      if (this.#ended) return;
      await this.#change.promise;
    }
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = deferred();
  }
}
