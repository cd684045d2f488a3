import type { Logger } from 'pino';

/** Work that nobody waits for on the spot, and that somebody must own: failures are logged, `settled` waits for it. */
export class Background {
  readonly #running = new Set<Promise<void>>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Starts a task; `what` names it in the log, as in "could not <what>". */
  run(what: string, task: () => Promise<void>): void {
    const running = task().catch((error: unknown) => {
      this.#log.warn({ error }, `could not ${what}`);
    });
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
  }

  /** Resolves once everything that runs, or is started meanwhile, has ended. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
