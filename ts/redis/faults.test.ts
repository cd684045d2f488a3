import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { RpcError } from '../lib/rpc-error.ts';
import { RedisBus } from './bus.ts';
import type { RedisConnection } from './connection.ts';
import { RedisKeyspace } from './keyspace.ts';
import type { RedisSection } from './options.ts';
import { openRedis } from './testing/open.ts';
import { type RedisProcess, startCluster, startRedis, startSentinel, type TestRedis, until } from './testing/redis.ts';

/** How soon after Redis is back everything works. */
const RECOVERY_MS = 2000;

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, []));

describe('a single Redis', () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());

  it('that is killed and comes back empty is noticed, and in use again at once', async (t) => {
    const user = await use(t, redis.redis);
    await user.keyspace.set('kept', 'x');
    await redis.kill();
    await until(() => !user.connection.link.up);
    await rejectsUnavailable(user.keyspace.get('kept'), 50);
    await rejectsUnavailable(user.bus.publish('c', Uint8Array.of(1)), 50);
    await rejectsUnavailable(user.bus.claim('k', 1000), 50);
    await redis.restart();
    await user.works();
    assert.equal(await user.keyspace.get('kept'), undefined);
    assert.deepEqual(user.changes, ['down', 'up']);
    assert.equal(user.connection.outages, 1);
  });

  it('that is away is subscribed to when it is back', async (t) => {
    const user = await use(t, redis.redis);
    await redis.kill();
    await until(() => !user.bus.up);
    const heard: number[] = [];
    await user.bus.subscribe('later', ([first = 0]) => heard.push(first));
    await redis.restart();
    await until(async () => {
      await user.bus.publish('later', Uint8Array.of(7));
      return heard.includes(7);
    }, RECOVERY_MS);
  });

  it('that hangs is given up, with nothing waiting for it, and in use again when it goes on', async (t) => {
    const user = await use(t, redis.redis);
    redis.pause();
    const pausedAt = performance.now();
    try {
      await Promise.all([
        rejectsUnavailable(user.keyspace.set('a', 'b'), 2500),
        rejectsUnavailable(user.bus.publish('c', Uint8Array.of(1)), 2500),
      ]);
      await until(() => !user.connection.link.up);
      await rejectsUnavailable(user.keyspace.get('kept'), 50);
      await new Promise((resolve) => setTimeout(resolve, pausedAt + 5000 - performance.now()));
    } finally {
      redis.resume();
    }
    await user.works();
  });

  it('that is read-only is down until it can be written again', async (t) => {
    const user = await use(t, redis.redis);
    await redis.setReadOnly(true);
    await rejectsUnavailable(user.keyspace.set('a', 'b'), 2500, /READONLY|not available/);
    await until(() => !user.connection.link.up);
    await redis.setReadOnly(false);
    await user.works();
  });

  it('that is out of memory is down, and messages go on', async (t) => {
    const user = await use(t, redis.redis);
    await redis.setOutOfMemory(true);
    await rejectsUnavailable(user.keyspace.set('a', 'b'), 2500, /OOM/);
    assert.equal(user.connection.link.up, false);
    await user.hears();
    await user.keyspace.remove('kept');
    assert.equal(await user.keyspace.get('kept'), undefined);
    await redis.setOutOfMemory(false);
    await user.works();
  });

  it('with another password keeps who is in, and is in use again when the password is', async (t) => {
    const own = await startRedis({ password: 'first' });
    t.after(() => own.stop());
    const user = await use(t, own.redis);
    await own.setPassword('second');
    await user.works();
    await own.setPassword('third', { disconnect: true });
    await until(() => !user.connection.link.up);
    await rejectsUnavailable(user.keyspace.get('a'), 100);
    await assert.rejects(user.connection.untilUp(500), /WRONGPASS/);
    await own.setPassword('first', { disconnect: true });
    await user.works();
  });

  it('that is not there at the start is waited for, and the reason is told once a second at most', async (t) => {
    const own = await startRedis();
    t.after(() => own.stop());
    await own.kill();
    const lines: { msg: string }[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const connection = await openRedis(own.redis, { log, wait: false });
    t.after(() => connection.close());
    await assert.rejects(connection.untilUp(1500), { code: 'unavailable', message: /ECONNREFUSED/ });
    assert.ok(lines.length >= 1 && lines.length <= 2, `${lines.length} lines`);
    await own.restart();
    await connection.untilUp(RECOVERY_MS);
    assert.equal(connection.outages, 0, 'nothing was lost');
  });
});

describe('Sentinels', () => {
  it('lead to the new master when the old one dies', async (t) => {
    const servers = await startSentinel();
    t.after(() => servers.stop());
    const user = await use(t, servers.redis);
    await servers.master.kill();
    await user.works(10_000);
    assert.equal(String(await servers.replica.command('GET', 'proof')), 'written', 'by the new master');
  });

  it('lead to the new master when the old one is but demoted', async (t) => {
    const servers = await startSentinel();
    t.after(() => servers.stop());
    const user = await use(t, servers.redis);
    await servers.sentinels[0]?.command('SENTINEL', 'FAILOVER', 'main');
    // The old one goes on as a master for 10 s, until the Sentinels tell it otherwise.
    await until(async () => {
      await user.keyspace.set('told', 'new').catch(() => {});
      return String(await servers.replica.command('GET', 'told')) === 'new' && (await isMaster(servers.replica));
    }, 5000);
    await user.works();
    assert.ok(await isMaster(servers.master));
  });
});

describe('a Redis Cluster', () => {
  it('goes on when a node dies or hangs, as soon as its replica has taken over', async (t) => {
    const servers = await startCluster({ replicas: 1 });
    t.after(() => servers.stop());
    const user = await use(t, servers.redis);
    const [first, second] = servers.nodes;
    await first?.kill();
    await user.works(10_000);
    second?.pause();
    try {
      await user.works(15_000);
    } finally {
      second?.resume();
    }
    await user.works(5000);
  });
});

async function isMaster(server: RedisProcess): Promise<boolean> {
  return String(await server.command('INFO', 'replication')).includes('role:master');
}

interface User {
  readonly connection: RedisConnection;
  readonly keyspace: RedisKeyspace;
  readonly bus: RedisBus;
  /** What the link did. */
  readonly changes: string[];
  /** A message goes round, to a subscription that was there from the start. */
  hears(withinMs?: number): Promise<void>;
  /** The link is up, every hash can be written, and messages go round. */
  works(withinMs?: number): Promise<void>;
}

async function use(t: TestContext, set: Partial<RedisSection>): Promise<User> {
  const connection = await openRedis(set);
  const [keyspace, bus] = [new RedisKeyspace(connection), new RedisBus(connection)];
  t.after(async () => {
    await bus.close();
    await connection.close();
  });
  const changes: string[] = [];
  connection.link.onUp(() => changes.push('up'));
  connection.link.onDown(() => changes.push('down'));
  let sent = 0;
  let heard = 0;
  await until(() => bus.up);
  await bus.subscribe('round', ([count = 0]) => {
    heard = count;
  });
  const hears = (withinMs = RECOVERY_MS) =>
    until(async () => {
      sent = (sent + 1) % 256;
      await bus.publish('round', Uint8Array.of(sent));
      await new Promise((resolve) => setTimeout(resolve, 20));
      return heard === sent;
    }, withinMs);
  const works = async (withinMs = RECOVERY_MS) => {
    const start = performance.now();
    await until(() => connection.link.up, withinMs);
    await until(async () => {
      await keyspace.set('proof', 'written');
      await Promise.all([...Array(20).keys()].map((key) => keyspace.hashSet(`hash ${key}`, 'f', 'v')));
      return true;
    }, withinMs);
    await hears(withinMs);
    t.diagnostic(`works after ${Math.round(performance.now() - start)} ms`);
  };
  await works(5000);
  return { connection, keyspace, bus, changes, hears, works };
}

async function rejectsUnavailable(promise: Promise<unknown>, withinMs: number, text = /not available/): Promise<void> {
  const start = performance.now();
  await assert.rejects(
    promise,
    (error) => error instanceof RpcError && error.code === 'unavailable' && text.test(error.message),
  );
  const took = performance.now() - start;
  assert.ok(took < withinMs, `rejected after ${Math.round(took)} ms`);
}
