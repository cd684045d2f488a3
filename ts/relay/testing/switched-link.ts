import type { Link } from '../../cluster/keyspace.ts';

/** A link that a test takes down and up. */
export class SwitchedLink implements Link {
  up = true;
  readonly #up = new Set<() => void>();
  readonly #down = new Set<() => void>();

  onUp(listener: () => void): () => void {
    this.#up.add(listener);
    return () => this.#up.delete(listener);
  }

  onDown(listener: () => void): () => void {
    this.#down.add(listener);
    return () => this.#down.delete(listener);
  }

  turn(up: boolean): void {
    this.up = up;
    for (const listener of [...(up ? this.#up : this.#down)]) listener();
  }
}
