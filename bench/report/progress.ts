/** Shows on the terminal how far a run is: one line that changes, or a line now and then where output goes to a file. */

import type { Progress } from '../measure/load.ts';

export class ProgressLine {
  readonly #out: NodeJS.WriteStream;
  #what = '';
  #phase = '';
  #shownAt = 0;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  /** What the next lines are about. */
  begin(what: string): void {
    this.#what = what;
    this.#phase = '';
    this.#show('starting');
  }

  handle({ phase, joined, failed, of, packetsPerSecond }: Progress): void {
    const now = performance.now();
    if (!this.#out.isTTY && phase === this.#phase && now - this.#shownAt < QUIET_MS) return;
    this.#phase = phase;
    this.#shownAt = now;
    const rate = packetsPerSecond ? `, ${Math.round(packetsPerSecond).toLocaleString('en-US')} packets/s` : '';
    this.#show(`${phase}: ${joined} of ${of} joined${failed > 0 ? `, ${failed} failed` : ''}${rate}`);
  }

  /** Leaves a line that stays, with what came of it. */
  end(text: string): void {
    this.#show(text);
    if (this.#out.isTTY) this.#out.write('\n');
  }

  #show(text: string): void {
    const line = `${this.#what}  ${text}`;
    if (this.#out.isTTY) this.#out.write(`\r\x1b[K${line.slice(0, this.#out.columns - 1)}`);
    else this.#out.write(`${line}\n`);
  }
}

/** Between lines that say the same of a later time, where they stay. */
const QUIET_MS = 5_000;
