/** Networks that let UDP through, each in its own way. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Internet, SERVER, SERVER_V6 } from './support/internet.ts';
import { unavailable } from './support/lab.ts';
import { scene } from './support/scene.ts';

describe('where UDP passes', { skip: unavailable }, () => {
  for (const singlePeerConnection of [true, false]) {
    test(`ports of each peer's own, ${singlePeerConnection ? 'one peer connection' : 'two'}`, async () => {
      await scene({ config: 'public', call: { singlePeerConnection } }, async ({ call, server }) => {
        assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
        for (const to of await call.destinations()) assert.match(to, /^203\.0\.113\.10:5\d{4}$/);
        // The native client has one in any case.
        await server.carries({ udp: singlePeerConnection ? 2 : 3 });
      });
    });
  }

  test('one port for all', async () => {
    await scene({ config: 'one-udp-port' }, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
      assert.deepEqual(await call.destinations(), [`${SERVER}:7882`]);
      await server.carries({ udp: 2 });
    });
  });

  test('IPv6 and nothing else', async () => {
    const setting = { plan: { family: 6 as const }, config: 'ipv6-only', host: `[${SERVER_V6}]` };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
      assert.deepEqual(await call.destinations(), [`[${SERVER_V6}]:7882`]);
      await server.carries({ udp: 2 });
    });
  });

  test('packets of more than 1280 bytes vanish without a word', async () => {
    const setting = {
      plan: { mtu: 1280 },
      config: 'one-udp-port',
      prepare: (internet: Internet) => {
        for (const router of [internet.home, internet.core]) {
          router.iptables('-A FORWARD -p udp -m length --length 1281:65535 -j DROP');
        }
      },
    };
    await scene(setting, async ({ call }) => {
      assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
      await call.works({ dataSize: 14_000 });
    });
  });

  test('a server with a second interface that clients must not hear of', async () => {
    await scene({ plan: { storage: true }, config: 'two-interfaces' }, async ({ call }) => {
      assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
      assert.deepEqual(await call.offered(), [SERVER]);
    });
  });
});
