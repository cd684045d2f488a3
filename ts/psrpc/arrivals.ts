/** What came and was not read yet; then the end. */
export class Arrivals<T> {
  readonly #items: T[] = [];
  #ended: { error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** More than anybody would read is left out. */
  add(item: T): void {
    if (this.#ended !== undefined || this.#items.length >= MOST_UNREAD) return;
    this.#items.push(item);
    this.#wake?.();
  }

  end(error?: unknown): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  /** `undefined` at the end. Rejects where it ended with an error. */
  async next(): Promise<T | undefined> {
    while (this.#items.length === 0 && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#ended?.error !== undefined) throw this.#ended.error;
    return this.#items.shift();
  }
}

/** Of one call to all servers. */
const MOST_UNREAD = 1000;
