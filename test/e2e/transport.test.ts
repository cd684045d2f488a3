/** How media gets to the server: shared ports, ICE lite, IPv6, and a port range that is full. */

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freePort, freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';
import { connect, type Refused, v1 } from './support/signal.ts';

let browser: TestBrowser;

before(async () => {
  browser = await TestBrowser.launch();
});

after(async () => {
  await browser?.close();
});

async function join(
  server: TestServer,
  room: string,
  identity: string,
  singlePeerConnection = true,
): Promise<BrowserClient> {
  const client = await browser.client();
  const token = await joinToken(room, identity);
  await client.run((c, options) => c.join(options), { url: server.url, token, singlePeerConnection });
  return client;
}

/** Both see and hear each other: what is decoded has the right content. */
async function exchange(alice: BrowserClient, bob: BrowserClient): Promise<void> {
  await alice.run((c) => c.showPicture({ color: 'red' }));
  await alice.run((c) => c.playTone(440));
  await bob.run((c) => c.showPicture({ color: 'blue' }));
  await bob.run((c) => c.playTone(880));
  assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
  assert.equal((await alice.run((c) => c.see('bob'))).color, 'blue');
  await bob.run((c) => c.hear('alice', 440));
  await alice.run((c) => c.hear('bob', 880));
}

/** Browsers prefer IPv6 where both are offered. */
const IPV4 = { ips: { includes: ['127.0.0.0/8'] } };
const TWO_WORKERS = { ...IPV4, workers: 2, worker_placement: 'spread' };

/** Runs a call of two over a server configured like this; returns where each client's media goes. */
async function call(rtc: Record<string, unknown>, single: boolean): Promise<[string[], string[]]> {
  const server = await startServer({ rtc });
  const clients: BrowserClient[] = [];
  try {
    const room = freshRoom();
    for (const identity of ['alice', 'bob']) clients.push(await join(server, room, identity, single));
    const [alice, bob] = clients as [BrowserClient, BrowserClient];
    await exchange(alice, bob);
    return [await alice.run((c) => c.paths()), await bob.run((c) => c.paths())];
  } finally {
    for (const client of clients) await client.close();
    await server.stop();
  }
}

for (const single of [true, false]) {
  describe(single ? 'single peer connection' : 'dual peer connection', () => {
    test('two workers share one port', async () => {
      const port = await freeUdpPorts(1);
      const paths = await call({ udp_port: port, ...TWO_WORKERS }, single);
      for (const path of paths.flat()) assert.equal(path, `127.0.0.1:${port}`);
      assert.equal(paths.flat().length, single ? 2 : 4);
    });

    test('each worker has a port of its own', async () => {
      const port = await freeUdpPorts(2);
      const udp_port = `${port}-${port + 1}`;
      const [alice, bob] = await call({ udp_port, ...TWO_WORKERS }, single);
      assert.deepEqual(new Set(alice), new Set([`127.0.0.1:${port}`]));
      assert.deepEqual(new Set(bob), new Set([`127.0.0.1:${port + 1}`]));
    });

    test('ICE lite', async () => {
      const paths = await call({ use_ice_lite: true, ...TWO_WORKERS }, single);
      for (const path of paths.flat()) assert.match(path, /^127\.0\.0\.1:5\d{4}$/);
    });

    const ipv6 = (networkInterfaces().lo ?? []).some(({ address }) => address === '::1');
    test('IPv6', { skip: ipv6 ? false : 'there is no ::1' }, async () => {
      const paths = await call({ node_ip: '::1', ips: { includes: ['::1/128'] } }, single);
      for (const path of paths.flat()) assert.match(path, /^\[::1\]:5\d{4}$/);
    });
  });
}

test('whoever finds no free port is told so while the others go on', async () => {
  const port = await freeUdpPorts(2);
  const server = await startServer({ rtc: { port_range_start: port, port_range_end: port + 1, ...TWO_WORKERS } });
  try {
    const room = freshRoom();
    const alice = await join(server, room, 'alice');
    const bob = await join(server, room, 'bob');
    await exchange(alice, bob);

    await assert.rejects(join(server, room, 'carol'), /could not establish signal connection/);
    const carol = connect(`${server.url}${v1(await joinToken(room, 'carol'))}`);
    const why = `could not open transports: portsExhausted: no free UDP port from ${port} to ${port + 1}`;
    await assert.rejects(carol, (error: Refused) => error.status === 503 && error.message.includes(why));

    assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
    assert.equal((await alice.run((c) => c.see('bob'))).color, 'blue');
    await bob.run((c) => c.hear('alice', 440));
    assert.equal(await alice.run((c) => c.count('reconnecting') + c.count('disconnected')), 0);

    await bob.run((c) => c.leave());
    await alice.run((c) => c.waitFor('left', 'bob'));
    // Two transports: the first finds the port, which must be free again when the second finds none.
    await assert.rejects(join(server, room, 'carol', false));
    const dave = await join(server, room, 'dave');
    assert.equal((await dave.run((c) => c.see('alice'))).color, 'red');
  } finally {
    await server.stop();
  }
});

/** The first of so many neighbouring UDP ports that nobody has. */
async function freeUdpPorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const first = await freePort();
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error('no free UDP ports');
}

async function isFree(port: number): Promise<boolean> {
  const probe = createSocket('udp4');
  const bound = once(probe, 'listening').then(
    () => true,
    () => false,
  );
  probe.bind(port, '127.0.0.1');
  const free = await bound;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return free;
}
