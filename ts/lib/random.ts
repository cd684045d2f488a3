/** Random bytes for ids and credentials: asked for a few at a time, and taken from the system some thousands at once. */

import { randomFillSync } from 'node:crypto';

/** The caller's to keep. */
export function randomChunk(size: number): Uint8Array {
  if (size > POOL_SIZE / 4) return randomFillSync(new Uint8Array(size));
  if (used + size > POOL_SIZE) {
    randomFillSync(pool);
    used = 0;
  }
  const chunk = pool.slice(used, used + size);
  // Nobody who reads memory later learns what was handed out.
  pool.fill(0, used, used + size);
  used += size;
  return chunk;
}

const POOL_SIZE = 4096;
const pool = new Uint8Array(POOL_SIZE);
let used = POOL_SIZE;
