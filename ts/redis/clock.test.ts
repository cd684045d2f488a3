import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisClock } from './clock.ts';
import { openRedis } from './testing/open.ts';
import { startCluster, startRedis, until } from './testing/redis.ts';

for (const [name, start] of Object.entries({ Redis: () => startRedis(), 'a Redis Cluster': () => startCluster() })) {
  test(`the clock of ${name} is known once it has told, and goes on without it`, async (t) => {
    const servers = await start();
    t.after(() => servers.stop());
    const connection = await openRedis(servers.redis);
    t.after(() => connection.close());
    const clock = new RedisClock(connection);
    await until(() => clock.now() !== undefined);
    clock.close();
    clock.close();
    const now = clock.now() ?? 0;
    // Both are this machine's.
    assert.ok(Math.abs(now - Date.now()) < 1000, `${now - Date.now()} ms apart`);
    assert.ok((clock.now() ?? 0) > now);
  });
}
