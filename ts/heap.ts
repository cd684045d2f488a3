/**
 * Keeps V8's heap small. Held before anything else is loaded (`small-heap.ts`), because loading the server's modules alone makes the young
 * generation, in which short-lived objects lie until they are collected, grow to 32 MiB, and V8 never gives that back: half
 * as much as 200 idle participants take (docs/performance.md, "Memory").
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Keeps the young generation at the size it has now, for some 5 to 10 % more CPU per join. The flag is read whenever V8 would
 * grow it (`NewSpace::Grow`), so setting it while running is safe; a V8 that does not know it says so on stderr and goes on.
 */
export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Collects what starting left behind, 20 MB of sources among it. Blocks for some 30 ms. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
}
