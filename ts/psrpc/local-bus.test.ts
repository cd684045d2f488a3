import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalBus } from './local-bus.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the bus delivers copies in order, later, to whoever subscribed', async () => {
  const bus = new LocalBus();
  const heard: string[] = [];
  const end = await bus.subscribe('a', (payload) => heard.push(String(payload[0])));
  const message = Uint8Array.of(1);
  await bus.publish('a', message);
  message[0] = 9;
  await bus.publish('a', Uint8Array.of(2));
  await bus.publish('b', Uint8Array.of(3));
  assert.deepEqual(heard, []);
  await turn();
  assert.deepEqual(heard, ['1', '2']);
  await end();
  await bus.publish('a', Uint8Array.of(4));
  await turn();
  assert.deepEqual(heard, ['1', '2']);
  await bus.close();
  await assert.rejects(bus.publish('a', message), { code: 'unavailable' });
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
