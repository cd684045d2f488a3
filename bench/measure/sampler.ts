/** CPU and memory of a process tree over time. */

import { cpuBetween, markCpu, residentMb } from './proc.ts';

/** One step of a curve. */
export interface Sample {
  /** Since the server was started. */
  seconds: number;
  /** 1 is one core. */
  cores: number;
  rssMb: number;
}

export class Sampler {
  readonly samples: Sample[] = [];
  readonly #pid: number;
  readonly #started = performance.now();
  readonly #timer: NodeJS.Timeout;
  #last;

  constructor(pid: number, everyMs = 500) {
    this.#pid = pid;
    this.#last = markCpu(pid);
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  /** Seconds on the axis of the samples. */
  now(): number {
    return (performance.now() - this.#started) / 1_000;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const mark = markCpu(this.#pid);
    const { seconds, wallSeconds } = cpuBetween(this.#last, mark);
    this.#last = mark;
    this.samples.push({ seconds: this.now(), cores: seconds / wallSeconds, rssMb: residentMb(this.#pid) });
  }
}
