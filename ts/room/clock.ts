/** Time as rooms see it: the process clock in the server, a virtual one in tests. */

export interface Timer {
  /** Harmless after the timer fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Runs `task` once after `delayMs`. */
  after(delayMs: number, task: () => void): Timer;
  /** Runs `task` each `periodMs` until cancelled. */
  every(periodMs: number, task: () => void): Timer;
}

/** The process clock; its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, task) {
    const timer = setInterval(task, periodMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
};
