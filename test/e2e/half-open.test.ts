/** A signal connection of which nothing comes any more, though nobody closed it (acceptance 31). */

import assert from 'node:assert/strict';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

let server: TestServer;
let browser: TestBrowser;
let network: Network;

before(async () => {
  [server, browser] = await Promise.all([startServer(), TestBrowser.launch()]);
  network = await Network.to(Number(new URL(server.url).port));
});

after(async () => {
  await browser?.close();
  network?.close();
  await server?.stop();
});

/** What lies between a client and the server's TCP port; frozen, it swallows everything, the end of connections too. */
class Network {
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #frozen = false;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  static async to(port: number): Promise<Network> {
    const network = new Network(port);
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get url(): string {
    const address = this.#server.address();
    assert.ok(address !== null && typeof address === 'object');
    return `ws://127.0.0.1:${address.port}`;
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** New connections pass again; those of before stay as they are. */
  thaw(): void {
    this.#frozen = false;
    this.#sockets.clear();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    const upstream = connectTcp({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true });
    const passes = () => !this.#frozen && this.#sockets.has(client);
    this.#sockets.add(client);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (data) => passes() && to.write(data));
      from.on('end', () => passes() && to.end());
      from.on('error', () => passes() && to.destroy());
    }
  }
}

async function join(url: string, room: string, identity: string): Promise<BrowserClient> {
  const client = await browser.client();
  await client.run((c, options) => c.join(options), { url, token: await joinToken(room, identity) });
  return client;
}

async function printed(text: string, timeout: number): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!server.output().includes(text)) {
    if (Date.now() > deadline) assert.fail(`the server did not say "${text}" within ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('is noticed within the ping timeout; the participant stays, its media too, and it comes back', async () => {
  const room = freshRoom();
  const alice = await join(network.url, room, 'alice');
  const bob = await join(server.url, room, 'bob');
  await alice.run((c) => c.showPicture({ color: 'red' }));
  await bob.run((c) => c.see('alice'));

  network.freeze();
  await printed('signal connection is silent', 16_000);
  assert.ok((await bob.run((c) => c.framesIn('alice', 1000))) > 5);
  assert.deepEqual((await server.rooms.listParticipants(room)).map(({ identity }) => identity).sort(), [
    'alice',
    'bob',
  ]);

  network.thaw();
  await alice.run((c) => c.waitFor('reconnected', undefined, 40_000));
  await bob.run((c) => c.see('alice'));
  assert.equal(await bob.run((c) => c.count('left')), 0);
  assert.equal(await bob.run((c) => c.count('joined')), 0);
});
