import type { Clock, Timer } from '../clock.ts';

interface Task {
  at: number;
  every: number | undefined;
  run: () => void;
}

/** Time that passes only when told to. */
export class VirtualClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  readonly #tasks = new Set<Task>();

  now = (): number => this.#now;

  after(delayMs: number, task: () => void): Timer {
    return this.#add({ at: this.#now + delayMs, every: undefined, run: task });
  }

  every(periodMs: number, task: () => void): Timer {
    return this.#add({ at: this.#now + periodMs, every: periodMs, run: task });
  }

  get pending(): number {
    return this.#tasks.size;
  }

  /** Lets time pass, running what is due in order; promises settle between the tasks. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = [...this.#tasks].filter((task) => task.at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = next.at;
      if (next.every === undefined) this.#tasks.delete(next);
      else next.at += next.every;
      next.run();
    }
    this.#now = end;
    await settle();
  }

  #add(task: Task): Timer {
    this.#tasks.add(task);
    return { cancel: () => this.#tasks.delete(task) };
  }
}

/** Lets everything run that waits for promises only. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
