import type { Link } from '../cluster/keyspace.ts';

/** Whether Redis can be used, as its connection finds. */
export class RedisLink implements Link {
  readonly #onUp = new Set<() => void>();
  readonly #onDown = new Set<() => void>();
  #up = false;

  get up(): boolean {
    return this.#up;
  }

  onUp(listener: () => void): () => void {
    return listenTo(this.#onUp, listener);
  }

  onDown(listener: () => void): () => void {
    return listenTo(this.#onDown, listener);
  }

  /** Whether that is a change. */
  set(up: boolean): boolean {
    if (this.#up === up) return false;
    this.#up = up;
    for (const listener of [...(up ? this.#onUp : this.#onDown)]) listener();
    return true;
  }
}

/** The same function may listen twice. */
function listenTo(listeners: Set<() => void>, listener: () => void): () => void {
  const own = () => listener();
  listeners.add(own);
  return () => listeners.delete(own);
}
