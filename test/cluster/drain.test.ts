/** Nodes that are asked to go (acceptance 44, 53, 57). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AccessToken } from 'livekit-server-sdk';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom, KEY, SECRET } from '../e2e/support/server.ts';
import { Balancer } from './support/balancer.ts';
import { Client, Pair } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, type NodeSettings, ONLY_OURS, until } from './support/fleet.ts';
import { nodeIds, owners, roomNodes } from './support/records.ts';
import { SteadyClient } from './support/steady.ts';

let cluster: Cluster;
let stay: ClusterNode;

before(async () => {
  if (ONLY_OURS) return;
  cluster = await Cluster.start({ nodes: 1 });
  stay = cluster.node(0);
});

after(async () => {
  await cluster?.stop();
  await dispose();
});

const options = { skip: ONLY_OURS };
const ask = (...words: (string | number)[]) => cluster.redis.command(...words);

function settings(deadline: string): NodeSettings {
  return { redis: { address: cluster.redis.address }, config: { drain: { deadline } } };
}

async function nodeWith(deadline: string): Promise<ClusterNode> {
  const [node] = await cluster.fleet.add(settings(deadline));
  assert.ok(node !== undefined);
  return node;
}

async function isForgotten(node: string): Promise<boolean> {
  const named = [...(await nodeIds(ask)), ...(await owners(ask)).values(), ...(await roomNodes(ask)).values()];
  return !named.includes(node);
}

test(
  'the first signal drains: calls go on, new rooms go elsewhere, at the deadline clients do too',
  options,
  async (t) => {
    const node = await nodeWith('5s');
    const balancer = await Balancer.start(() => [stay, node]);
    const room = freshRoom();
    await stay.rooms.createRoom({ name: room, nodeId: node.id });
    const pair = await Pair.call([balancer.url, balancer.url], room);
    pair.watch();
    const asked = performance.now();
    node.child.kill('SIGTERM');
    await until('it is not ready', async () => (await node.status('/readyz')) === 503);
    assert.equal(await node.status('/healthz'), 200);
    for (let count = 0; count < 3; count++) {
      const name = freshRoom();
      await node.rooms.createRoom({ name });
      assert.equal((await owners(ask)).get(name), stay.id);
    }
    await pair.flows();
    const before = pair.gap();
    assert.ok(before < 200, `draining cost the call ${before} ms`);
    assert.equal(pair.events('reconnecting'), 0);
    const { code } = await node.ended;
    const took = Math.round(performance.now() - asked);
    await pair.flows();
    t.diagnostic(`ended after ${took} ms; the call stood for ${pair.gap()} ms`);
    assert.equal(code, 0);
    assert.ok(took >= 4_500 && took < 15_000, `it ended after ${took} ms`);
    assert.equal(pair.first.events.filter((event) => event.startsWith('disconnected')).length, 0);
    assert.equal((await owners(ask)).get(room), stay.id);
    assert.ok(await isForgotten(node.id), 'nothing names it once it is gone');
    await pair.leave();
    await balancer.close();
  },
);

test('a second signal forces, with exit code 0', options, async () => {
  const node = await nodeWith('10m');
  const room = freshRoom();
  await stay.rooms.createRoom({ name: room, nodeId: node.id });
  const client = await SteadyClient.join(stay.url, room, 'client');
  node.child.kill('SIGTERM');
  await until('it drains', async () => (await node.status('/readyz')) === 503);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(node.running, true);
  const forced = performance.now();
  node.child.kill('SIGTERM');
  const { code } = await node.ended;
  assert.equal(code, 0);
  assert.ok(performance.now() - forced < 8_000, 'it ends at once');
  await until('the client is on the other', () => client.inside && client.stays.length > 1);
  await until('it is forgotten', () => isForgotten(node.id), 1_000);
  await client.leave();
});

test('an empty node ends at once, and one that was told to by its API and then a signal too', options, async () => {
  const node = await nodeWith('10m');
  const token = new AccessToken(KEY, SECRET, { ttl: '1h' });
  token.addGrant({ roomCreate: true, roomList: true });
  const headers = { authorization: `Bearer ${await token.toJwt()}` };
  const post = async (path: string) => (await fetch(node.httpUrl + path, { method: 'POST', headers })).status;
  // As a preStop hook does; and the way back.
  assert.equal(await post('/drain'), 200);
  assert.equal(await node.status('/readyz'), 503);
  assert.equal(await post('/undrain'), 200);
  await until('it is ready again', async () => (await node.status('/readyz')) === 200);
  assert.equal(await post('/drain'), 200);
  const asked = performance.now();
  node.child.kill('SIGTERM');
  const { code } = await node.ended;
  assert.equal(code, 0);
  assert.ok(performance.now() - asked < 7_000);
});

test('a fleet is replaced node by node under calls, and nobody is dropped', options, async (t) => {
  const old = await cluster.fleet.add(...Array.from({ length: 2 }, () => settings('2s')));
  const active: ClusterNode[] = [...old];
  const balancer = await Balancer.start(() => active);
  const calls = await Promise.all(
    old.map(async (node) => {
      const room = freshRoom();
      await stay.rooms.createRoom({ name: room, nodeId: node.id });
      return { room, pair: await Pair.call([balancer.url, balancer.url], room) };
    }),
  );
  const steady = await Promise.all(
    calls.flatMap(({ room }) => [1, 2, 3].map((who) => SteadyClient.join(balancer.url, room, `steady-${who}`))),
  );
  for (const { pair } of calls) pair.watch();
  for (const node of old) {
    active.push(...(await cluster.fleet.add(settings('2s'))));
    node.child.kill('SIGTERM');
    assert.equal((await node.ended).code, 0);
    active.splice(active.indexOf(node), 1);
  }
  await Promise.all(calls.map(({ pair }) => pair.flows()));
  await until('all are inside', () => steady.every(({ inside }) => inside));
  const gaps = calls.map(({ pair }) => pair.gap());
  t.diagnostic(`pictures stood for ${gaps} ms; signals were away for ${steady.map(({ outage }) => outage)} ms`);
  for (const { room, pair } of calls) {
    const dropped = [...pair.first.events, ...pair.second.events].filter((event) => event.startsWith('disconnected'));
    assert.deepEqual(dropped, []);
    const inside = (await stay.rooms.listParticipants(room)).map(({ identity }) => identity);
    assert.deepEqual(inside.sort(), ['first', 'second', 'steady-1', 'steady-2', 'steady-3']);
  }
  await Promise.all([...steady.map((client) => client.leave()), ...calls.map(({ pair }) => pair.leave())]);
  await balancer.close();
  await Promise.all(active.map((node) => node.stop()));
});

test('no join fails while many nodes come up at once', options, async () => {
  const active: ClusterNode[] = [stay];
  const balancer = await Balancer.start(() => active);
  let coming = true;
  const started = cluster.fleet.add(...Array.from({ length: 5 }, () => settings('1s'))).then((nodes) => {
    active.push(...nodes);
    coming = false;
    return nodes;
  });
  let joins = 0;
  // Through the start of all, and a little more for the new ones to be chosen.
  while (coming || joins % 10 !== 9) {
    const client = await Client.join(balancer.url, freshRoom(), `client-${joins++}`);
    await client.leave();
  }
  const nodes = await started;
  const rooms = Array.from({ length: 30 }, () => freshRoom());
  const clients = await Promise.all(rooms.map((room) => SteadyClient.join(balancer.url, room, 'client')));
  assert.ok(clients.every(({ stays }) => stays.length === 1));
  const used = new Set((await owners(ask)).values());
  assert.ok(used.size >= 4, `new rooms are spread, over ${used.size} nodes`);
  await Promise.all(clients.map((client) => client.leave()));
  await balancer.close();
  await Promise.all(nodes.map((node) => node.stop()));
});
