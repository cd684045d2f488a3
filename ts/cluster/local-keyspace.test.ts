import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalKeyspace } from './local-keyspace.ts';
import { KeyspaceStore } from './store.ts';
import { keyspaceBehaves } from './testing/keyspace-suite.ts';
import { storeBehaves } from './testing/store-suite.ts';

const close = async () => {};

keyspaceBehaves('in this process', async () => ({ subject: new LocalKeyspace(), close }));
storeBehaves('in this process', async () => ({ subject: new KeyspaceStore(new LocalKeyspace()), close }));

test('a lock ends by itself, for the next of this process too', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const { rooms } = new KeyspaceStore(new LocalKeyspace(() => now));
  const lost = await rooms.lock('r' as never);
  const second = rooms.lock('r' as never);
  await Promise.resolve();
  now = 5000;
  t.mock.timers.tick(5000);
  const unlock = await second;
  await lost();
  const third = rooms.lock('r' as never);
  let taken = false;
  third.then(() => {
    taken = true;
  }, assert.fail);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(taken, false, 'the lost lock unlocks nobody else');
  await unlock();
  await (await third)();
});
