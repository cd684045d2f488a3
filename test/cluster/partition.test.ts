/** Nodes that some of the others cannot reach, and one whose clock is wrong (acceptance 50–52). */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom } from '../e2e/support/server.ts';
import { Client, Pair } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, ONLY_OURS, until } from './support/fleet.ts';
import type { RedisProxy } from './support/proxy.ts';
import { owners } from './support/records.ts';
import { SteadyClient } from './support/steady.ts';

let cluster: Cluster;
let cut: ClusterNode;
let other: ClusterNode;

before(async () => {
  if (ONLY_OURS) return;
  cluster = await Cluster.start({ nodes: 2, proxied: true });
  [cut, other] = [cluster.node(0), cluster.node(1)];
});

after(async () => {
  await cluster?.stop();
  await dispose();
});

const options = { skip: ONLY_OURS };
const ask = (...words: (string | number)[]) => cluster.redis.command(...words);

const partitions: { name: string; begin(proxy: RedisProxy): void }[] = [
  { name: 'cannot reach Redis', begin: (proxy) => proxy.cut() },
  { name: 'gets no answer of Redis', begin: (proxy) => proxy.stall(['down']) },
  { name: 'and Redis lose every byte between them', begin: (proxy) => proxy.stall() },
];

for (const { name, begin } of partitions) {
  test(`one node ${name}: it keeps its calls, takes no rooms, and no room has two owners`, options, async (t) => {
    const [kept, taken] = [freshRoom(), freshRoom()];
    await cut.rooms.createRoom({ name: kept, nodeId: cut.id });
    await cut.rooms.createRoom({ name: taken, nodeId: cut.id });
    const pair = await Pair.call([cut.url, cut.url], kept);
    const steady = await SteadyClient.join(cut.url, taken, 'first');
    pair.watch();
    t.after(() => cluster.proxy(0).heal());
    begin(cluster.proxy(0));
    await until('it takes no rooms', async () => (await cut.status('/readyz')) === 503, 8_000);
    assert.equal(await cut.status('/healthz'), 200);
    await assert.rejects(cut.rooms.createRoom({ name: freshRoom() }), 'new rooms are refused');
    const third = await Client.join(cut.url, kept, 'third');
    await third.sees('first');
    await third.leave();
    // Somebody else joins the other room where the node is missed: there it comes to be anew.
    const second = await SteadyClient.join(other.url, taken, 'second');
    await until('the other owns it', async () => (await owners(ask)).get(taken) === other.id, 12_000);
    await pair.flows();
    const gap = pair.gap();
    cluster.proxy(0).heal();
    const healed = performance.now();
    await until('it takes rooms again', async () => (await cut.status('/readyz')) === 200);
    t.diagnostic(
      `the call stood for ${gap} ms; ready ${Math.round(performance.now() - healed)} ms after it was healed`,
    );
    assert.ok(gap <= 200, `the call stood for ${gap} ms`);
    // Whose room was taken is sent to where it is.
    await until('both are in one room', async () => {
      const inside = await Promise.all([cut, other].map((node) => node.rooms.listParticipants(taken)));
      return inside.every((list) => list.length === 2) && steady.inside && second.inside;
    });
    const owned = await owners(ask);
    assert.deepEqual([owned.get(taken), owned.get(kept)], [other.id, cut.id]);
    assert.equal(second.stays.length, 1, 'the participant at the new owner notices nothing');
    assert.equal(pair.events('reconnecting'), 0);
    await pair.flows();
    assert.equal((await other.rooms.listParticipants(kept)).length, 2);
    await Promise.all([pair.leave(), steady.leave(), second.leave()]);
  });
}

test('signals between nodes are cut: media goes on, and the client is well again afterwards', options, async (t) => {
  const room = freshRoom();
  await other.rooms.createRoom({ name: room, nodeId: other.id });
  const pair = await Pair.call([other.url, cut.url], room);
  pair.watch();
  // What others publish does not come; commands and leases are as ever.
  t.after(() => cluster.proxy(0).heal());
  cluster.proxy(0).stall(['down'], 'subscriptions');
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const silent = pair.gap();
  t.diagnostic(`media stood for ${silent} ms while signals were cut`);
  assert.ok(silent <= 200, `media stood for ${silent} ms`);
  cluster.proxy(0).heal();
  const healed = performance.now();
  await pair.second.room.localParticipant?.setAttributes({ after: 'the cut' }).catch(() => {});
  const told = async () => {
    if (pair.first.remote('second')?.attributes.after === 'the cut') return true;
    await pair.second.room.localParticipant?.setAttributes({ after: 'the cut' }).catch(() => {});
    return false;
  };
  await until('signals pass again', told, 20_000);
  await pair.flows();
  t.diagnostic(`signals passed ${Math.round(performance.now() - healed)} ms after it was healed; gap ${pair.gap()} ms`);
  assert.deepEqual((await other.rooms.listParticipants(room)).map(({ identity }) => identity).sort(), [
    'first',
    'second',
  ]);
  const dropped = [...pair.first.events, ...pair.second.events].filter((event) => event.startsWith('disconnected'));
  assert.deepEqual(dropped, []);
  await pair.leave();
});

const WITHOUT_FAKETIME =
  spawnSync('faketime', ['--version']).status === 0 ? false : 'faketime, of the package of that name, is not installed';

test('a node whose clock is five minutes ahead is one like the others', {
  skip: ONLY_OURS || WITHOUT_FAKETIME,
}, async () => {
  const inside = ['env', 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'faketime', '-f', '+5m'];
  const [skewed] = await cluster.fleet.add({ redis: { address: cluster.redis.address }, inside });
  assert.ok(skewed !== undefined);
  const [theirs, ours] = [freshRoom(), freshRoom()];
  await other.rooms.createRoom({ name: theirs, nodeId: skewed.id });
  await skewed.rooms.createRoom({ name: ours, nodeId: other.id });
  const pairs = [await Pair.call([skewed.url, other.url], theirs), await Pair.call([other.url, skewed.url], ours)];
  // Leases would run out in this time if clocks decided.
  const states = new Set<string>();
  const until12s = performance.now() + 12_000;
  while (performance.now() < until12s) {
    const owned = await owners(ask);
    const ready = await Promise.all([skewed, other].map((node) => node.status('/readyz')));
    states.add(`${owned.get(theirs)} ${owned.get(ours)} ${ready}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.deepEqual([...states], [`${skewed.id} ${other.id} 200,200`]);
  // New rooms go to both.
  const names = Array.from({ length: 30 }, () => freshRoom());
  await Promise.all(names.map((name) => other.rooms.createRoom({ name })));
  const owned = await owners(ask);
  const used = new Set(names.map((name) => owned.get(name)));
  assert.ok(used.has(skewed.id) && used.has(other.id), `rooms went to ${[...used]}`);
  for (const pair of pairs) {
    assert.equal(pair.events('reconnecting'), 0);
    await pair.flows();
    await pair.leave();
  }
  await skewed.stop();
});
