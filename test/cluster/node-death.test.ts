/** A node that is gone from one moment to the next (acceptance 47, 48, and the last of 44). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestBrowser } from '../e2e/support/browser.ts';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom, joinToken } from '../e2e/support/server.ts';
import { Balancer } from './support/balancer.ts';
import { Pair } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, ONLY_OURS, until } from './support/fleet.ts';
import { nodeIds, owners, roomNames, roomNodes } from './support/records.ts';
import { SteadyClient } from './support/steady.ts';

/** After a lease of 4 s ran out it is missed for 2 s; the rest is for the machine. */
const FORGOTTEN_WITHIN_MS = 12_000;
const ROOMS = 40;

let cluster: Cluster;
let balancer: Balancer;

before(async () => {
  if (ONLY_OURS) return;
  const config = { room: { empty_timeout: 3, departure_timeout: 3 } };
  cluster = await Cluster.start({ nodes: 2, config });
  balancer = await Balancer.start(() => cluster.fleet.nodes);
});

after(async () => {
  await balancer?.close();
  await cluster?.stop();
  await dispose();
});

const options = { skip: ONLY_OURS };

/** One that is there for being killed; the others are left to later tests. */
async function victim(): Promise<ClusterNode> {
  const [node] = await cluster.fleet.add({
    redis: { address: cluster.redis.address },
    config: { room: { empty_timeout: 3, departure_timeout: 3 } },
  });
  assert.ok(node !== undefined);
  return node;
}

/** A room that waits for who joins it. */
async function createOn(node: ClusterNode, name: string): Promise<void> {
  await cluster.node(0).rooms.createRoom({ name, nodeId: node.id, emptyTimeout: 60 });
}

const ask = (...words: (string | number)[]) => cluster.redis.command(...words);

/** Resolves when nothing in Redis names the node any more. */
async function forgotten(node: string): Promise<void> {
  await until(
    `${node} is forgotten`,
    async () => {
      if ((await nodeIds(ask)).includes(node)) return false;
      if ((await ask('EXISTS', `sluice:lease:${node}`)) === 1) return false;
      const named = [...(await owners(ask)).values(), ...(await roomNodes(ask)).values()];
      return !named.includes(node);
    },
    FORGOTTEN_WITHIN_MS,
  );
}

test('clients of many rooms are on another node within 10 s after theirs was killed', options, async (t) => {
  const node = await victim();
  const rooms = Array.from({ length: ROOMS }, () => freshRoom());
  await Promise.all(rooms.map((name) => createOn(node, name)));
  // Half of them on the node itself, half through others.
  const urls = [balancer.url, cluster.node(0).url];
  const clients = await Promise.all(
    rooms.flatMap((room) => ['first', 'second'].map((who, index) => SteadyClient.join(urls[index] ?? '', room, who))),
  );
  const call = freshRoom();
  await createOn(node, call);
  const pair = await Pair.call([balancer.url, cluster.node(1).url], call);
  pair.watch();
  const killed = performance.now();
  await node.kill();
  const all = () => clients.every(({ inside, stays }) => inside && stays.length > 1);
  await until('all clients are inside again', all, 15_000);
  const times = clients.map(({ stays }) => Math.round((stays.at(-1)?.from ?? 0) - killed)).sort((a, b) => a - b);
  t.diagnostic(
    `${clients.length} clients back after ${times[times.length >> 1]} ms median, ${times.at(-1)} ms at most`,
  );
  assert.ok((times.at(-1) ?? 0) <= 10_000, `the last was back after ${times.at(-1)} ms`);
  const back = performance.now();
  // After a reconnection rtc-node 1.1 now and then offers just before it adds its track again, and never after, or does not
  // know who is there: seen in its signals, more often the busier the machine. Whoever calls anew must get through then.
  const flowing = await pair.flows(10, 15_000).then(
    () => true,
    () => false,
  );
  const late = Math.round(performance.now() - back);
  if (flowing) {
    t.diagnostic(`a call stood still for ${pair.gap()} ms, ${late} ms after the others`);
    assert.ok(
      pair.first.count('left second') <= 1 && pair.second.count('left first') <= 1,
      'one pair of events at most',
    );
  } else {
    t.diagnostic(`the SDK did not take the call up again: ${pair.first.events}; ${pair.second.events}`);
    assert.equal(pair.events('reconnected'), 2);
    await pair.leave();
    const anew = await Pair.call([cluster.node(0).url, cluster.node(1).url], call);
    await anew.leave();
  }
  // Both of a room are in the same one.
  const living = [cluster.node(0).id, cluster.node(1).id];
  const owned = await owners(ask);
  for (const room of rooms) {
    assert.ok(living.includes(owned.get(room) ?? ''), `${room} is owned by ${owned.get(room)}`);
    const inside = (await cluster.node(0).rooms.listParticipants(room)).map(({ identity }) => identity);
    assert.deepEqual(inside.sort(), ['first', 'second']);
  }
  await forgotten(node.id);
  await Promise.all([...clients.map((client) => client.leave()), ...(flowing ? [pair.leave()] : [])]);
});

test('browsers come back by themselves when the node of their room was killed', options, async (t) => {
  const browser = await TestBrowser.launch();
  try {
    const node = await victim();
    const room = freshRoom();
    await createOn(node, room);
    const [first, second] = [await browser.client(), await browser.client()];
    const join = async (identity: string, url: string) => ({ url, token: await joinToken(room, identity) });
    await first.run((c, options) => c.join(options), await join('first', balancer.url));
    await second.run((c, options) => c.join(options), await join('second', cluster.node(1).url));
    await first.run((c) => c.showPicture({ color: 'blue', width: 320, height: 180 }));
    await second.run((c) => c.see('first'));
    const killed = performance.now();
    await node.kill();
    await second.run((c) => c.waitFor('reconnected', undefined, 20_000));
    await second.run((c) => c.see('first'));
    const took = Math.round(performance.now() - killed);
    t.diagnostic(`the picture moved again ${took} ms after`);
    assert.ok(took <= 10_000, `the picture moved again ${took} ms after`);
    const lost = await Promise.all([first, second].map((page) => page.run((c) => c.count('disconnected'))));
    assert.deepEqual(lost, [0, 0]);
  } finally {
    await browser.close();
  }
});

test(
  'a node killed while rooms are created, deleted and joined leaves none behind and none twice',
  options,
  async () => {
    const node = await victim();
    const other = cluster.node(0);
    const deleted = Array.from({ length: 15 }, () => freshRoom());
    await Promise.all(deleted.map((name) => other.rooms.createRoom({ name, nodeId: node.id })));
    const created = Array.from({ length: 15 }, () => freshRoom());
    const joined = Array.from({ length: 15 }, () => freshRoom());
    await Promise.all(joined.map((name) => createOn(node, name)));
    const work = [
      ...deleted.map((name) => other.rooms.deleteRoom(name)),
      ...created.map((name) => other.rooms.createRoom({ name, nodeId: node.id })),
    ];
    const joins = joined.map((room) => SteadyClient.join(other.url, room, 'client'));
    // In the middle of it: as soon as the first is done.
    await Promise.any([...work, ...joins]);
    await node.kill();
    await Promise.allSettled(work);
    const clients = await Promise.all(joins);
    await until('all are inside', () => clients.every(({ inside }) => inside), 15_000);
    await forgotten(node.id);
    // Who is inside by then may be so through a relay that has not noticed yet.
    const living = [cluster.node(0).id, cluster.node(1).id];
    const settled = async () => {
      const owned = await owners(ask);
      return clients.every(({ inside }) => inside) && joined.every((room) => living.includes(owned.get(room) ?? ''));
    };
    await until('all are inside, in rooms with a living owner', settled, 15_000);
    for (const room of joined) {
      const inside = async () => (await cluster.node(1).rooms.listParticipants(room)).map(({ identity }) => identity);
      await until(`${room} has its client`, async () => (await inside().catch(() => [])).join() === 'client', 10_000);
    }
    // What was half deleted is deleted by asking again, what was half created can be joined.
    const refusals = async () => {
      const twice = await Promise.allSettled(deleted.map((name) => other.rooms.deleteRoom(name)));
      const reasons = twice.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
      return reasons.filter((reason) => !/not_found|not exist/i.test(reason));
    };
    let refused: string[] = [];
    const gone = async () => {
      refused = await refusals();
      return refused.length === 0;
    };
    await until('all are deleted', gone, 15_000).catch(() => assert.fail(refused.join('\n')));
    const late = await Promise.all(created.map((room) => SteadyClient.join(cluster.node(1).url, room, 'late')));
    await Promise.all([...clients, ...late].map((client) => client.leave()));
    // With all gone the rooms go, in their departure timeout.
    const names = [...deleted, ...created, ...joined];
    const none = async () => {
      const left = new Set([
        ...(await roomNames(ask)),
        ...(await owners(ask)).keys(),
        ...(await roomNodes(ask)).keys(),
      ]);
      return names.every((name) => !left.has(name));
    };
    await until('no room is left', none, 15_000);
  },
);
