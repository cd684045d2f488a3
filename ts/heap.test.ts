import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { collectGarbage, holdYoungGeneration } from './heap.ts';

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? Number.NaN;
}

/** Makes a million objects, of which every fiftieth lives on: V8 doubles the young generation over that. */
function allocate(): number {
  const kept: object[] = [];
  for (let i = 0; i < 1_000_000; i += 1) {
    const made = { i, list: [i, i + 1], text: `x${i}` };
    if (i % 50 === 0) kept.push(made);
  }
  return kept.length;
}

test('a young generation that is held does not grow', () => {
  holdYoungGeneration();
  const before = youngBytes();
  assert.equal(allocate(), 20_000);
  assert.ok(youngBytes() <= before, `${before} bytes before, ${youngBytes()} after`);
});

test('what nobody holds is collected', () => {
  const lost = new WeakRef(new ArrayBuffer(50_000_000));
  // A WeakRef holds what it refers to until the end of the turn in which it was made.
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    collectGarbage();
    assert.equal(lost.deref(), undefined);
  });
});
