/**
 * Redis is away, empty, slow, read-only, full or somebody else's (acceptance 49). Calls notice nothing; who knows a room can
 * join it; seconds after Redis is back all is as before. How long Redis is away changes nothing after a lease ran out, so 30
 * seconds stand for an hour as well: no timer of ours is longer, and none counts the outage.
 */

import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { startCluster, startSentinel } from '../../ts/redis/testing/redis.ts';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom } from '../e2e/support/server.ts';
import { Client, Pair } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, Fleet, ONLY_OURS, until } from './support/fleet.ts';
import type { RedisProxy } from './support/proxy.ts';

/**
 * A picture comes every 40 ms. Those who join to see whether all is well, and up to six Redis processes, share two cores with
 * whoever makes and draws the pictures, which alone was seen to take 250 ms; a server that waits for Redis takes seconds.
 */
const GLITCH_MS = 600;
const RECOVERY_MS = 5_000;

const options = { skip: ONLY_OURS };

after(async () => {
  await dispose();
});

/** Two nodes, a call on each, and one of clients on different nodes. */
class Calls {
  readonly nodes: readonly [ClusterNode, ClusterNode];
  readonly rooms: readonly [string, string];
  readonly pairs: readonly [Pair, Pair];

  private constructor(nodes: Calls['nodes'], rooms: Calls['rooms'], pairs: Calls['pairs']) {
    this.nodes = nodes;
    this.rooms = rooms;
    this.pairs = pairs;
  }

  static async begin(nodes: readonly [ClusterNode, ClusterNode]): Promise<Calls> {
    const [one, two] = nodes;
    const rooms = [freshRoom(), freshRoom()] as const;
    await one.rooms.createRoom({ name: rooms[0], nodeId: one.id });
    await one.rooms.createRoom({ name: rooms[1], nodeId: two.id });
    const local = await Pair.call([one.url, one.url], rooms[0]);
    const relayed = await Pair.call([two.url, one.url], rooms[1]);
    const calls = new Calls(nodes, rooms, [local, relayed]);
    calls.watch();
    return calls;
  }

  watch(): void {
    for (const pair of this.pairs) pair.watch();
  }

  /** Asserts that pictures went on and none of their packets was lost since the last time. */
  async undisturbed(t: TestContext, lostBefore: number): Promise<void> {
    await Promise.all(this.pairs.map((pair) => pair.flows()));
    const gaps = this.pairs.map((pair) => pair.gap());
    const lost = (await this.lost()) - lostBefore;
    t.diagnostic(`longest gaps ${gaps} ms, ${lost} packets lost`);
    assert.ok(Math.max(...gaps) <= GLITCH_MS, `pictures stood for ${gaps} ms`);
    assert.equal(lost, 0, 'packets lost');
  }

  async lost(): Promise<number> {
    return (await this.pairs[0].lost()) + (await this.pairs[1].lost());
  }

  /** Both processes live, say so, and nobody was thrown out. */
  async alive(): Promise<void> {
    for (const node of this.nodes) {
      assert.equal(node.running, true);
      assert.equal(await node.status('/healthz'), 200);
    }
    for (const pair of this.pairs) {
      const dropped = [...pair.first.events, ...pair.second.events].filter((event) => event.startsWith('disconnected'));
      assert.deepEqual(dropped, []);
    }
  }

  /** A room that a node holds is joined through that node. */
  async joined(): Promise<void> {
    for (const [index, node] of this.nodes.entries()) {
      const third = await Client.join(node.url, this.rooms[index as 0 | 1], 'third');
      await third.sees('first');
      await third.leave();
    }
  }

  /** Resolves when nodes are ready, know each other's rooms and participants, and relay; says how long that took. */
  async recovered(t: TestContext): Promise<void> {
    const back = performance.now();
    const whole = async () => {
      for (const [index, node] of this.nodes.entries()) {
        if ((await node.status('/readyz')) !== 200) return false;
        const room = this.rooms[(1 - index) as 0 | 1];
        const inside = (await node.rooms.listParticipants(room)).map(({ identity }) => identity);
        if (inside.sort().join() !== 'first,second') return false;
        if ((await node.rooms.listRooms([...this.rooms])).length !== 2) return false;
        await node.rooms.createRoom({ name: freshRoom() });
      }
      return true;
    };
    await until('all is published again', whole, 15_000);
    const took = Math.round(performance.now() - back);
    // Across: through each node into the room of the other.
    for (const [index, node] of this.nodes.entries()) {
      const third = await Client.join(node.url, this.rooms[(1 - index) as 0 | 1], 'third');
      await third.sees('first');
      await third.leave();
    }
    t.diagnostic(`recovered after ${took} ms`);
    assert.ok(took < RECOVERY_MS, `recovered after ${took} ms`);
    await this.alive();
  }

  async end(): Promise<void> {
    await Promise.all(this.pairs.map((pair) => pair.leave()));
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

let cluster: Cluster;
let calls: Calls;

before(async () => {
  if (ONLY_OURS) return;
  cluster = await Cluster.start({ nodes: 2, proxied: true });
  calls = await Calls.begin([cluster.node(0), cluster.node(1)]);
});

after(async () => {
  await cluster?.stop();
});

function eachProxy(action: (proxy: RedisProxy) => void): void {
  for (const proxy of cluster.proxies) action(proxy);
}

interface Fault {
  name: string;
  /** What happens to Redis, how long it lasts, and what ends it. */
  begin(): Promise<void> | void;
  lasts: number;
  end(): Promise<void> | void;
  /** Whether nodes cannot do their work with Redis meanwhile. */
  away: boolean;
}

const faults: Fault[] = [
  { name: 'restarts empty', begin: () => cluster.redis.restart(), lasts: 0, end: () => {}, away: false },
  { name: 'is flushed', begin: () => void cluster.redis.command('FLUSHALL'), lasts: 0, end: () => {}, away: false },
  {
    name: 'is away for 30 s and comes back empty',
    begin: () => cluster.redis.kill(),
    lasts: 30_000,
    end: () => cluster.redis.restart(),
    away: true,
  },
  {
    name: 'does not answer for 8 s',
    begin: () => cluster.redis.pause(),
    lasts: 8_000,
    end: () => cluster.redis.resume(),
    away: true,
  },
  {
    name: 'answers 5 s late',
    begin: () => eachProxy((proxy) => proxy.delay(2_500)),
    lasts: 12_000,
    end: () => eachProxy((proxy) => proxy.heal()),
    away: true,
  },
  {
    name: 'is a replica that refuses writes',
    begin: () => cluster.redis.setReadOnly(true),
    lasts: 8_000,
    end: () => cluster.redis.setReadOnly(false),
    away: true,
  },
  {
    name: 'is out of memory',
    begin: () => cluster.redis.setOutOfMemory(true),
    lasts: 8_000,
    end: () => cluster.redis.setOutOfMemory(false),
    away: true,
  },
  {
    name: 'wants another password',
    begin: () => cluster.redis.setPassword('another', { disconnect: true }),
    lasts: 8_000,
    end: () => cluster.redis.setPassword('', { disconnect: true }),
    away: true,
  },
];

for (const fault of faults) {
  test(`Redis ${fault.name}: calls go on, known rooms are joined, and all is well again soon`, options, async (t) => {
    const lost = await calls.lost();
    calls.watch();
    await fault.begin();
    const began = performance.now();
    if (fault.away) {
      // Leases run out first: this is how it is for the rest of the hour.
      await sleep(Math.min(fault.lasts, 7_000) - 1_000);
      await calls.alive();
      await calls.joined();
      await sleep(Math.max(0, fault.lasts - (performance.now() - began)));
    }
    await fault.end();
    await calls.recovered(t);
    await calls.undisturbed(t, lost);
  });
}

test('a Sentinel fails over under calls', options, async (t) => {
  const sentinel = await startSentinel();
  const fleet = await Fleet.start([0, 1].map(() => ({ redis: { ...sentinel.redis } })));
  try {
    const calls = await Calls.begin([fleet.node(0), fleet.node(1)]);
    await sentinel.master.kill();
    const promoted = async () => String(await sentinel.replica.command('ROLE')).startsWith('master');
    await until('the replica is master', promoted, 20_000);
    await calls.recovered(t);
    await calls.undisturbed(t, 0);
    await calls.end();
  } finally {
    await fleet.stop();
    await sentinel.stop();
  }
});

test('a master of a Redis Cluster is replaced by its replica under calls', options, async (t) => {
  const redis = await startCluster({ replicas: 1 });
  const fleet = await Fleet.start([0, 1].map(() => ({ redis: { ...redis.redis } })));
  try {
    const calls = await Calls.begin([fleet.node(0), fleet.node(1)]);
    const roles = await Promise.all(redis.nodes.map((node) => node.command('ROLE')));
    const master = redis.nodes[roles.findIndex((role) => String(role).startsWith('master'))];
    await master?.kill();
    const others = redis.nodes.filter((node) => node !== master);
    const whole = async () => String(await others[0]?.command('CLUSTER', 'INFO')).includes('cluster_state:ok');
    const masters = async () => {
      const now = await Promise.all(others.map((node) => node.command('ROLE')));
      return now.filter((role) => String(role).startsWith('master')).length === 3 && (await whole());
    };
    await until('the replica is master', masters, 20_000);
    await calls.recovered(t);
    await calls.undisturbed(t, 0);
    await calls.end();
  } finally {
    await fleet.stop();
    await redis.stop();
  }
});
