import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalBus } from './local-bus.ts';
import { busBehaves } from './testing/bus-suite.ts';

busBehaves('in this process', async () => {
  const bus = new LocalBus();
  return { here: bus, there: bus, close: () => bus.close() };
});

test('a claim is given once until its lifetime is over', async () => {
  let now = 0;
  const bus = new LocalBus(() => now);
  assert.equal(await bus.claim('a', 5000), true);
  assert.equal(await bus.claim('a', 5000), false);
  assert.equal(await bus.claim('b', 5000), true);
  now = 4999;
  assert.equal(await bus.claim('a', 5000), false);
  now = 5000;
  assert.equal(await bus.claim('a', 5000), true);
  assert.equal(await bus.claim('a', 5000), false);
});
