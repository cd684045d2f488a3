/** Networks that translate addresses: the server's cloud, or the clients' router. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Internet, SERVER, SERVICES } from './support/internet.ts';
import { unavailable } from './support/lab.ts';
import { startCoturn } from './support/programs.ts';
import { scene } from './support/scene.ts';

const STUN = 'stun.example.com';

describe('through NATs', { skip: unavailable }, () => {
  test('a server behind a one-to-one NAT asks a STUN server for its public address', async () => {
    const setting = {
      plan: { cloud: true },
      config: 'cloud-nat',
      async prepare(internet: Internet) {
        internet.server.hosts({ [STUN]: SERVICES });
        await startCoturn(internet.services, SERVICES, '--stun-only');
      },
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
      assert.deepEqual(await call.destinations(), [`${SERVER}:7882`]);
      assert.deepEqual(await call.offered(), [SERVER]);
      await server.carries({ udp: 2 });
    });
  });

  test('a server behind a one-to-one NAT that was told its public address, and only TCP passes', async () => {
    const setting = {
      plan: { cloud: true },
      config: 'known-address',
      prepare: (internet: Internet) => void internet.block('-p udp'),
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['tcp'], native: ['tcp'] });
      assert.deepEqual(await call.destinations(), [`${SERVER}:7881`]);
      await server.carries({ tcp: 2 });
    });
  });

  test('clients behind a NAT with a new port for each destination', async () => {
    await scene({ plan: { nat: 'symmetric' }, config: 'public' }, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['udp'], native: ['udp'] });
      await server.carries({ udp: 2 });
    });
  });
});
