/** End-to-end encrypted media passes untouched, and nobody reads it with another key. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

let server: TestServer;
let browser: TestBrowser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), TestBrowser.launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const single of [true, false]) {
  test(`the same key decodes and another key does not (${single ? 'single' : 'dual'} peer connection)`, async () => {
    const room = freshRoom();
    const clients: Record<string, BrowserClient> = {};
    for (const [identity, key] of [
      ['alice', 'open sesame'],
      ['bob', 'open sesame'],
      ['mallory', 'guess'],
    ] as const) {
      const client = await browser.client();
      const token = await joinToken(room, identity);
      await client.run((c, options) => c.join(options), { url: server.url, token, key, singlePeerConnection: single });
      clients[identity] = client;
    }
    const { alice, bob, mallory } = clients;
    assert.ok(alice !== undefined && bob !== undefined && mallory !== undefined);
    await alice.run((c) => c.showPicture({ color: 'red' }));
    assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
    assert.equal(await mallory.run((c) => c.framesIn('alice', 2000)), 0);
    await bob.run((c) => c.publication('alice', 'camera').setVideoQuality(c.quality.LOW));
    assert.equal((await bob.run((c) => c.seeHeight('alice', 180))).color, 'red');
    await Promise.all(Object.values(clients).map((client) => client.close()));
  });
}
