import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { RpcError } from '../lib/rpc-error.ts';
import { Bids, type Selection } from './selection.ts';

/** Bids at these milliseconds: 0.1, 0.5, 0.7, 0.9. */
function chosen(
  t: TestContext,
  selection: Selection,
  timeoutMs = 3000,
): { server?: string; error?: RpcError; at: number } {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  let result: { server?: string; error?: RpcError; at: number } | undefined;
  const bids = new Bids(
    selection,
    timeoutMs,
    (server) => {
      assert.equal(result, undefined);
      result = { server, at: now };
    },
    (error) => {
      assert.equal(result, undefined);
      result = { error, at: now };
    },
  );
  const coming: [number, string, number][] = [
    [10, 'a', 0.1],
    [100, 'b', 0.5],
    [300, 'c', 0.7],
    [310, 'd', 0.1],
    [500, 'e', 0.9],
  ];
  for (; now < 3500; now += 10) {
    for (const [at, server, affinity] of coming) if (at === now) bids.add(server, affinity);
    t.mock.timers.tick(10);
  }
  t.mock.timers.reset();
  assert.ok(result !== undefined);
  return result;
}

test('the first bid is taken where the first will do', (t) => {
  assert.equal(chosen(t, { accept: 'first' }).server, 'a');
});

test('the first that bids enough is taken where enough will do', (t) => {
  assert.equal(chosen(t, { accept: 'first', minAffinity: 0.5 }).server, 'b');
});

test('after the first bid others have a short while', (t) => {
  assert.equal(chosen(t, {}).server, 'b');
  assert.equal(chosen(t, { shortCircuitMs: 350 }).server, 'c');
  assert.equal(chosen(t, { shortCircuitMs: 250, minAffinity: 0.4 }).server, 'c');
});

test('the best of all bids is taken at the end', (t) => {
  assert.deepEqual(chosen(t, { shortCircuitMs: 0, timeoutMs: 600 }).server, 'e');
  assert.deepEqual(chosen(t, { shortCircuitMs: 0, timeoutMs: 250 }).server, 'b');
  assert.deepEqual(chosen(t, { shortCircuitMs: 0, timeoutMs: 5000 }, 250).server, 'b');
});

test('a bid that is high enough ends the wait', (t) => {
  assert.deepEqual(chosen(t, { shortCircuitMs: 0, maxAffinity: 0.6 }), { server: 'c', at: 300 });
});

test('bids that are too low are counted in the error', (t) => {
  const { error } = chosen(t, { minAffinity: 2 });
  assert.equal(error?.code, 'unavailable');
  assert.equal(error?.message, 'no servers available (received 5 responses)');
});
