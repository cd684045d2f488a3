/** Firewalls: media finds its way over TCP, or through TURN inside TLS. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Authority } from './support/certificates.ts';
import { type Internet, SERVER, SERVER_TOO } from './support/internet.ts';
import { unavailable } from './support/lab.ts';
import { startBalancer } from './support/programs.ts';
import { scene } from './support/scene.ts';

const TURN = 'turn.example.com';
const API = 'sluice.example.com';

describe('behind firewalls', { skip: unavailable }, () => {
  let folder: string;
  let authority: Authority;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-network-'));
    authority = new Authority(folder);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const singlePeerConnection of [true, false]) {
    test(`no UDP: ICE over TCP, ${singlePeerConnection ? 'one peer connection' : 'two'}`, async () => {
      const setting = {
        config: 'public',
        call: { singlePeerConnection },
        prepare: (internet: Internet) => void internet.block('-p udp'),
      };
      await scene(setting, async ({ call, server }) => {
        assert.deepEqual(await call.routes(), { browser: ['tcp'], native: ['tcp'] });
        assert.deepEqual(await call.destinations(), [`${SERVER}:7881`]);
        assert.deepEqual(await server.paths(), { tcp: singlePeerConnection ? 2 : 3 });
      });
    });
  }

  test('nothing but TCP 443: the API in TLS, media through TURN in TLS', async () => {
    const setting = {
      plan: { second: true },
      config: 'turn-tls',
      changes: {
        port: 443,
        bind_addresses: [SERVER],
        tls: authority.sign(API),
        turn: { ...authority.sign(TURN), bind_addresses: [SERVER_TOO] },
      },
      host: API,
      call: { hosts: { [API]: SERVER, [TURN]: SERVER_TOO }, authority },
      prepare: (internet: Internet) => internet.onlyTcp(443),
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['relay-tls'], native: ['relay-tls'] });
      assert.deepEqual(await server.paths(), { 'relay-tls': 2 });
    });
  });

  test('a balancer in front that ends TLS for TURN', async () => {
    const certificate = authority.sign(TURN);
    const setting = {
      plan: { second: true },
      config: 'turn-behind-balancer',
      call: { hosts: { [TURN]: SERVER_TOO }, authority },
      async prepare(internet: Internet) {
        internet.onlyTcp(443, 7880);
        await startBalancer(
          internet.server,
          { host: SERVER_TOO, port: 443 },
          { host: SERVER, port: 5349 },
          certificate,
        );
      },
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['relay-tls'], native: ['relay-tls'] });
      assert.deepEqual(await server.paths(), { 'relay-tls': 2 });
    });
  });
});
