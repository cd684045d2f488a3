import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Room } from '@livekit/protocol';
import { KeyspaceStore } from '../cluster/store.ts';
import { NO_INTERNAL } from '../cluster/testing/store-suite.ts';
import type { RoomName } from '../lib/ids.ts';
import { RedisKeyspace } from './keyspace.ts';
import { openRedis } from './testing/open.ts';
import { startRedis } from './testing/redis.ts';

const ROOMS = 100_000;

test('100,000 rooms are listed without holding up Redis or this process', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop());
  const connection = await openRedis(redis.redis);
  t.after(() => connection.close());
  const keyspace = new RedisKeyspace(connection);
  const { rooms } = new KeyspaceStore(keyspace);
  await fill(keyspace);
  // What filling leaves behind is not listing's.
  collectGarbage();
  await redis.process.setConfig('slowlog-log-slower-than', '0');
  await redis.process.setConfig('slowlog-max-len', '1000');
  await redis.command('SLOWLOG', 'RESET');

  const all = await watched(() => rooms.list());
  assert.equal(all.result.length, ROOMS);
  assert.equal(new Set(all.result.map((room) => room.name)).size, ROOMS);
  const names = Array.from({ length: 1000 }, (_, index) => `room ${index * 97}` as RoomName);
  const some = await watched(() => rooms.list(names));
  assert.equal(some.result.length, names.length);

  const slow = (await redis.command('SLOWLOG', 'GET', '1000')) as [number, number, number, Buffer[]][];
  const ours = slow.filter(([, , , [name]]) => /^h(scan|mget)$/i.test(String(name)));
  const longestMs = Math.max(...ours.map(([, , micros]) => micros)) / 1000;
  t.diagnostic(`all: ${all.tookMs} ms, lag ${all.lagMs} ms; 1,000 names: ${some.tookMs} ms, lag ${some.lagMs} ms`);
  t.diagnostic(`longest command ${longestMs} ms of ${ours.length}`);
  assert.ok(ours.length > ROOMS / 1000);
  assert.ok(longestMs < 25, `Redis was busy for ${longestMs} ms`);
  assert.ok(all.lagMs < 50, `nobody else had a turn for ${all.lagMs} ms`);
  assert.ok(some.tookMs < 200, `1,000 names took ${some.tookMs} ms`);

  await rooms.store(new Room({ name: 'one more' }), NO_INTERNAL);
  assert.equal(await keyspace.hashSize('rooms'), ROOMS + 1);
});

async function fill(keyspace: RedisKeyspace): Promise<void> {
  for (let start = 0; start < ROOMS; start += 5000) {
    const some = Array.from({ length: 5000 }, (_, index) => `room ${start + index}`);
    const records = some.map((name) => ({ name, sid: `RM_${name}`, metadata: 'x'.repeat(100), emptyTimeout: 300 }));
    await keyspace.many(
      records.map((room) => ({ write: 'hashSet', key: 'rooms', field: room.name, value: new Room(room).toBinary() })),
    );
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

async function watched<Result>(work: () => Promise<Result>) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  const result = await work();
  const tookMs = Math.round(performance.now() - start);
  delay.disable();
  return { result, tookMs, lagMs: Math.round(delay.max / 1e6) };
}
