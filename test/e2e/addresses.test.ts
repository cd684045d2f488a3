/** Addresses that a STUN server told: what real browsers make of them. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stunResponder } from '../../ts/lib/testing/stun-responder.ts';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, startServer } from './support/server.ts';

let browser: TestBrowser;

before(async () => {
  browser = await TestBrowser.launch();
});

after(async () => {
  await browser?.close();
});

for (const singlePeerConnection of [true, false]) {
  const mode = singlePeerConnection ? 'single' : 'dual';
  test(`a client inside uses the internal address beside the external one (${mode} peer connection)`, async () => {
    const stun = await stunResponder('127.0.0.1', () => ({ ip: '198.51.100.7', port: 1 }));
    const server = await startServer({
      rtc: {
        use_external_ip: true,
        skip_external_ip_validation: true,
        advertise_internal_ip: true,
        stun_servers: [`127.0.0.1:${stun.port}`],
        ips: { includes: ['127.0.0.1/32'] },
      },
    });
    const clients: BrowserClient[] = [];
    try {
      if (process.env.E2E_SERVER === undefined)
        assert.match(server.output(), /candidate address.*198\.51\.100\.7.*stun 127\.0\.0\.1.*self-check skipped/);
      const room = freshRoom();
      for (const identity of ['alice', 'bob']) {
        const client = await browser.client();
        clients.push(client);
        const token = await joinToken(room, identity);
        await client.run((c, options) => c.join(options), { url: server.url, token, singlePeerConnection });
      }
      const [alice, bob] = clients as [BrowserClient, BrowserClient];
      await alice.run((c) => c.showPicture({ color: 'red' }));
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
      for (const client of clients) {
        for (const path of await client.run((c) => c.paths())) assert.match(path, /^127\.0\.0\.1:5\d{4}$/);
      }
    } finally {
      for (const client of clients) await client.close();
      await server.stop();
      await stun.close();
    }
  });
}
