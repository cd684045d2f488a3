/** Clients whose address changes in mid-call, and a path that loses, delays and reorders. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Call } from './support/call.ts';
import { Checks } from './support/checks.ts';
import { HOME } from './support/internet.ts';
import { unavailable } from './support/lab.ts';
import { scene } from './support/scene.ts';

/** How soon media must flow once the first check of a new path was sent, milliseconds. */
const AT_ONCE = 1_000;

/** How long pictures may stand still where the client has to find out by itself that its network changed, milliseconds. */
const LONGEST_GAP = 25_000;

/** How long each side waits for the next packet of the other's video from now on, milliseconds. */
async function untilMedia(call: Call): Promise<{ browser: number; native: number }> {
  const began = performance.now();
  const next = async (packets: () => Promise<number>) => {
    const before = await packets();
    while ((await packets()) === before) {
      if (performance.now() - began > 20_000) throw new Error('no packet within 20 s');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return Math.round(performance.now() - began);
  };
  const [browser, native] = await Promise.all([
    next(() => call.page.run((c) => c.videoPackets('native'))),
    next(() => call.native.videoPackets()),
  ]);
  return { browser, native };
}

describe('on the move', { skip: unavailable }, () => {
  test("the clients' NAT gets another address: media follows the first check", async () => {
    await scene({ plan: { nat: 'symmetric' }, config: 'one-udp-port' }, async ({ call, server, internet }) => {
      await call.gap();
      // Taking the address away makes the kernel forget what it translated to it.
      internet.home.ip(`address del ${HOME}/24 dev uplink`);
      internet.home.ip('address add 198.51.100.3/24 dev uplink');
      internet.home.ip('route add default via 198.51.100.1 dev uplink');
      const checks = [new Checks(internet.home, 'browser'), new Checks(internet.home, 'native')];
      await Promise.all(checks.map((one) => one.first()));
      const waited = await untilMedia(call);
      console.log('media after the first check, ms:', waited);
      for (const [side, wait] of Object.entries(waited)) assert.ok(wait < AT_ONCE, `${side} waited ${wait} ms`);
      await call.works();
      await server.carries({ udp: 2 });
      const gap = await call.gap();
      console.log(`the longest gap was ${gap} ms`);
      assert.ok(gap < 6_000, `a gap of ${gap} ms`);
      assert.equal(await call.disconnections(), 0);
    });
  });

  test('a client goes from one network to another: it keeps its session', async () => {
    await scene({ config: 'one-udp-port' }, async ({ call, server, internet }) => {
      const sid = await call.page.run((c) => c.room.localParticipant.sid);
      await call.gap();
      internet.browser.ip('address del 192.168.1.2/24 dev eth0');
      internet.browser.ip('address add 192.168.1.3/24 dev eth0');
      internet.browser.ip('route add default via 192.168.1.1 dev eth0');
      await new Checks(internet.home, 'browser').first();
      const waited = await untilMedia(call);
      console.log('media after the first check, ms:', waited);
      assert.ok(waited.browser < AT_ONCE, `the browser waited ${waited.browser} ms`);
      // How soon the browser sends again is up to its own estimate of a path that was dead for so long.
      assert.ok(waited.native < 5 * AT_ONCE, `the native client waited ${waited.native} ms`);
      await call.works();
      await server.carries({ udp: 2 });
      const gap = await call.gap();
      console.log(`the longest gap was ${gap} ms`);
      assert.ok(gap < LONGEST_GAP, `a gap of ${gap} ms`);
      assert.equal(await call.page.run((c) => c.room.localParticipant.sid), sid);
      assert.equal(await call.disconnections(), 0);
    });
  });

  for (const singlePeerConnection of [true, false]) {
    test(`5 % loss, 50 ms, reordering, ${singlePeerConnection ? 'one peer connection' : 'two'}`, async () => {
      const setting = { plan: { link: true }, config: 'one-udp-port', call: { singlePeerConnection } };
      await scene(setting, async ({ call, internet }) => {
        await internet.link?.weather('both', { delay: 50, jitter: 10, loss: 0.05, reorder: 0.05, 'reorder-by': 30 });
        await call.gap();
        for (let round = 0; round < 3; round++) await call.works({ dataSize: 5_000 });
        const gap = await call.gap();
        console.log(`the longest gap was ${gap} ms`);
        // libwebrtc waits 3 s for a packet that never comes before it asks for a key frame.
        assert.ok(gap < 5_000, `a gap of ${gap} ms`);
        assert.deepEqual(await call.interruptions(), []);
      });
    });
  }
});
