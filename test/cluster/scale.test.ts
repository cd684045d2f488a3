/** As many records as a large fleet leaves in Redis (acceptance 56). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Room as RoomMessage } from '@livekit/protocol';
import { AccessToken } from 'livekit-server-sdk';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom, KEY, SECRET } from '../e2e/support/server.ts';
import { Client } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { ONLY_OURS, until } from './support/fleet.ts';

const ROOMS = 100_000;
const BATCH = 1_000;

let cluster: Cluster;

before(async () => {
  if (ONLY_OURS) return;
  cluster = await Cluster.start({ nodes: 2 });
  const { redis } = cluster;
  const control = redis.process.control();
  for (let first = 0; first < ROOMS; first += BATCH) {
    const fields: (string | Buffer)[] = [];
    for (let number = first; number < first + BATCH; number++) {
      const room = new RoomMessage({
        sid: `RM_${number}`,
        name: `many-${number}`,
        emptyTimeout: 300,
        creationTime: BigInt(Math.floor(Date.now() / 1000)),
        turnPassword: 'a password of some length, as rooms have',
      });
      fields.push(room.name, Buffer.from(room.toBinary()));
    }
    await control.call('HSET', 'rooms', ...fields);
  }
  // Rooms of a node that lives, as far as anybody can tell.
  for (let first = 0; first < ROOMS; first += BATCH) {
    const fields = Array.from({ length: BATCH }, (_, index) => [`many-${first + index}`, cluster.node(0).id]).flat();
    await control.call('HSET', 'room_node_map', ...fields);
  }
  await redis.process.setConfig('slowlog-log-slower-than', '20000');
  await redis.command('SLOWLOG', 'RESET');
});

after(async () => {
  await cluster?.stop();
  await dispose();
});

const options = { skip: ONLY_OURS };

/** All rooms as text: reading them as the SDK does would hold this process up, which measures. */
async function listed(url: string): Promise<string> {
  const token = new AccessToken(KEY, SECRET, { ttl: '1h' });
  token.addGrant({ roomList: true });
  const headers = { authorization: `Bearer ${await token.toJwt()}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/twirp/livekit.RoomService/ListRooms`, { method: 'POST', headers, body: '{}' });
  return response.text();
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return Math.round(performance.now() - began);
}

test('with 100,000 rooms some are listed and joined as fast as ever, while all are listed', options, async (t) => {
  const [one, two] = [cluster.node(0), cluster.node(1)];
  const names = Array.from({ length: 20 }, (_, index) => `many-${index * 5_000}`);
  const few = await timed(async () => assert.equal((await one.rooms.listRooms(names)).length, names.length));
  const joined = await timed(async () => {
    await (await Client.join(one.url, freshRoom(), 'client')).leave();
  });
  t.diagnostic(`20 by name in ${few} ms, a join in ${joined} ms`);
  assert.ok(few < 200, `20 by name took ${few} ms`);

  let listing = true;
  const all = timed(async () => {
    const text = await listed(one.httpUrl);
    listing = false;
    const count = text.split('"many-').length - 1;
    assert.ok(count >= ROOMS, `${count} rooms were listed`);
  });
  const stalls: number[] = [];
  const joins: number[] = [];
  const probes = (async () => {
    while (listing) {
      stalls.push(await timed(() => one.status('/healthz', 10_000)));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  while (listing) {
    joins.push(
      await timed(async () => {
        await (await Client.join(two.url, freshRoom(), 'client')).leave();
      }),
    );
  }
  const took = await all;
  await probes;
  t.diagnostic(
    `all in ${took} ms; meanwhile joins in ${Math.max(...joins)} ms, health in ${Math.max(...stalls)} ms at most`,
  );
  assert.ok(Math.max(...joins) < 2_000, `a join took ${Math.max(...joins)} ms`);
  assert.ok(Math.max(...stalls) < 500, `the node stood still for ${Math.max(...stalls)} ms`);
  const slow = (await cluster.redis.command('SLOWLOG', 'GET', '10')) as [number, number, number, unknown[]][];
  const commands = slow.map(([, , , words]) => String(words[0]));
  assert.deepEqual(commands, [], 'no command held Redis up for 20 ms');
  await until(
    'both are ready',
    async () => (await Promise.all([one, two].map((n) => n.status('/readyz')))).join() === '200,200',
  );
});
