/** Every codec that Chromium can send, in both peer connection modes. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestBrowser } from './support/browser.ts';
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
  describe(single ? 'single peer connection' : 'dual peer connection', () => {
    for (const codec of ['vp8', 'vp9', 'av1', 'h264'] as const) {
      test(`${codec} is decoded at the full and at the lowest layer`, async () => {
        const room = freshRoom();
        const [alice, bob] = [await browser.client(), await browser.client()];
        for (const [client, identity] of [
          [alice, 'alice'],
          [bob, 'bob'],
        ] as const) {
          const token = await joinToken(room, identity);
          await client.run((c, options) => c.join(options), { url: server.url, token, singlePeerConnection: single });
        }
        await alice.run((c, videoCodec) => c.showPicture({ color: 'red', videoCodec, backupCodec: false }), codec);
        assert.equal((await bob.run((c) => c.see('alice', 'camera', 40_000))).color, 'red');
        assert.equal((await bob.run((c) => c.codec('alice'))).toLowerCase(), `video/${codec}`);
        await bob.run((c) => c.publication('alice', 'camera').setVideoQuality(c.quality.LOW));
        const low = await bob.run((c) => c.seeHeight('alice', 180, 40_000));
        assert.equal(low.color, 'red');
        await bob.run((c) => c.publication('alice', 'camera').setVideoQuality(c.quality.HIGH));
        const high = await bob.run((c) =>
          c.until(
            async () => {
              const seen = await c.see('alice');
              return seen.height > 200 ? seen : undefined;
            },
            'a higher layer',
            40_000,
          ),
        );
        assert.equal(high.color, 'red');
        await Promise.all([alice.close(), bob.close()]);
      });
    }

    test('sound passes with RED and DTX, and without', async () => {
      const room = freshRoom();
      const [alice, bob, carol] = [await browser.client(), await browser.client(), await browser.client()];
      for (const [client, identity] of [
        [alice, 'alice'],
        [bob, 'bob'],
        [carol, 'carol'],
      ] as const) {
        const token = await joinToken(room, identity);
        await client.run((c, options) => c.join(options), { url: server.url, token, singlePeerConnection: single });
      }
      await alice.run((c) => c.playTone(500, { red: true, dtx: true }));
      await bob.run((c) => c.playTone(700, { red: false, dtx: false }));
      await carol.run((c) => c.hear('alice', 500));
      await carol.run((c) => c.hear('bob', 700));
      await Promise.all([alice.close(), bob.close(), carol.close()]);
    });
  });
}
