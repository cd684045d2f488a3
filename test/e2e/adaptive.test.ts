/** adaptiveStream and dynacast: subscribers get what they show, publishers send what somebody shows. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

/** Shorter than by default, 5 s, and long enough to be told from at once. */
const PAUSE_DELAY = 3_000;

let server: TestServer;
let browser: TestBrowser;

before(async () => {
  const rtc = { workers: 2, worker_placement: 'spread' };
  [server, browser] = await Promise.all([
    startServer({ rtc, video: { dynacast_pause_delay: `${PAUSE_DELAY}ms` } }),
    TestBrowser.launch(),
  ]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const single of [true, false]) {
  describe(single ? 'single peer connection' : 'dual peer connection', () => {
    let alice: BrowserClient;
    let bob: BrowserClient;
    let sid: string;

    before(async () => {
      const room = freshRoom();
      const join = async (identity: string) => {
        const client = await browser.client();
        await client.run((c, options) => c.join(options), {
          url: server.url,
          token: await joinToken(room, identity),
          singlePeerConnection: single,
          adaptiveStream: true,
          dynacast: true,
        });
        return client;
      };
      [alice, bob] = [await join('alice'), await join('bob')];
      await bob.run((c) => c.showAt(160, 90));
      sid = await alice.run((c) => c.showPicture({ color: 'red' }));
    });

    after(async () => {
      await alice?.close();
      await bob?.close();
    });

    test('a small element gets the lowest layer', async () => {
      const seen = await bob.run((c) => c.seeHeight('alice', 180));
      assert.equal(seen.color, 'red');
    });

    test('layers that nobody shows are paused after a while', async () => {
      await alice.run((c, id) => c.sends(id, [180]), sid);
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
    });

    test('an element that becomes large gets the top layer within five seconds', async () => {
      await bob.run((c) => c.resize('alice', 1280, 720));
      const seen = await bob.run((c) => c.seeHeight('alice', 720, 5_000));
      assert.equal(seen.color, 'red');
      await alice.run((c, id) => c.sends(id, [180, 360, 720]), sid);
    });

    test('the top layer goes on for the pause delay and stops after it', async () => {
      await bob.run((c) => c.resize('alice', 160, 90));
      const began = Date.now();
      await bob.run((c) => c.seeHeight('alice', 180, 5_000));
      await alice.run((c, id) => c.sends(id, [180]), sid);
      const took = Date.now() - began;
      assert.ok(took >= PAUSE_DELAY - 500, `paused after ${took} ms`);
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
    });

    test('nothing is sent while nothing is shown, and all comes back', async () => {
      await bob.run((c) => c.hide('alice', true));
      await alice.run((c, id) => c.sends(id, []), sid);
      assert.ok((await bob.run((c) => c.framesIn('alice', 1_000))) <= 2);
      await bob.run((c) => {
        c.hide('alice', false);
        c.resize('alice', 1280, 720);
      });
      const seen = await bob.run((c) => c.seeHeight('alice', 720, 8_000));
      assert.equal(seen.color, 'red');
    });
  });
}
