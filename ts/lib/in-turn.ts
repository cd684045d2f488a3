/** Ending what a process consists of, piece by piece. */

export interface Step {
  /** For the log: `engine`. */
  readonly name: string;
  run(): void | Promise<void>;
}

export interface TurnParts {
  /** Milliseconds that a step may take. */
  readonly limit?: number;
  readonly clock?: { after(ms: number, task: () => void): { cancel(): void } };
  readonly log: { error(fields: object, text: string): void };
}

/**
 * Runs the steps one after the other. One that takes longer than `limit` is named in the log and left to itself, one that
 * fails is named too: the others come all the same, so that a process that was told to end does. Rejects with the first
 * failure once all had their turn.
 */
export async function inTurn(
  steps: readonly Step[],
  { log, limit = STEP_MS, clock = wakefulClock }: TurnParts,
): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    const late = Symbol('late');
    let timer: { cancel(): void } | undefined;
    const limited = new Promise<typeof late>((resolve) => {
      timer = clock.after(limit, () => resolve(late));
    });
    try {
      // A step that is late may still fail; nobody waits for that any more.
      const running = Promise.resolve().then(() => step.run());
      if ((await Promise.race([running, limited])) === late) {
        running.catch(() => {});
        log.error({ step: step.name, limit }, 'ending takes too long: going on without waiting for it');
      }
    } catch (error) {
      log.error({ step: step.name, error: (error as Error).message }, 'ending failed: going on');
      failures.push(error);
    } finally {
      timer?.cancel();
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** The process clock, for when nothing else may be left that keeps the process alive. */
const wakefulClock: NonNullable<TurnParts['clock']> = {
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Longer than any part needs to end, its own limits included: nobody waits for one that hangs. */
const STEP_MS = 10_000;
