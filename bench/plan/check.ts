/** What a profile predicts, beside what a ramp found. */

import type { Ramp } from '../scenario/ramp.ts';

/** CPU share of a core at which a server is full, as the ramp's objectives have it. */
export const BUSY = 0.8;

/** Viewers with whom a server with so many media threads reaches the knee by CPU alone. */
export function predict(microsecondsPerPacket: number, packetsPerViewer: number, threads: number): number {
  return Math.floor((BUSY * threads * 1e6) / (microsecondsPerPacket * packetsPerViewer));
}

/** Numbers of viewers around what is predicted, the least first; steps of a fifth. */
export function stepsAround(predicted: number): number[] {
  const steps: number[] = [];
  let viewers = Math.max(LEAST, Math.round(predicted / 3));
  while (viewers < Math.min(MOST, predicted * 3)) {
    steps.push(viewers);
    viewers = Math.ceil(viewers * 1.2);
  }
  return [...steps, Math.min(MOST, viewers)];
}

/** In words. Where not the server ended the ramp, its knee is above the last step. */
export function verdict({ steps, ended }: Ramp, predicted: number): string {
  const broke = steps.some(({ broken }) => broken.length > 0);
  const saturated = steps.some(({ measurement }) => measurement.load.load.saturated);
  const well = steps
    .filter(({ broken, measurement }) => broken.length === 0 && !measurement.load.load.saturated)
    .at(-1);
  if (well === undefined) return `the first step was too much already: ${ended}`;
  const viewers = Number(well.value);
  if (!broke || saturated) return `well with ${viewers} viewers, and the knee is above: ${ended}`;
  return `well with ${viewers} viewers, ${(predicted / viewers).toFixed(2)} times as many predicted; ${ended}`;
}

const LEAST = 10;
/** Sockets of server and load on one machine. */
const MOST = 3_000;
