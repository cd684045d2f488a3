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
/**
 * How long pictures may stand still when UDP dies, milliseconds: clients notice after some 15 s that no answers to their checks
 * come (RFC 7675), and offer anew.
 */
const LONGEST_GAP = 25_000;
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
        await server.carries({ tcp: singlePeerConnection ? 2 : 3 });
      });
    });
  }

  test('UDP that dies in mid-call: media goes over TCP, and nobody has to join anew', async () => {
    await scene({ config: 'one-udp-port' }, async ({ call, server, internet }) => {
      const sid = await call.page.run((c) => c.room.localParticipant.sid);
      await call.gap();
      const unblock = internet.block('-p udp');
      await call.takes({ browser: ['tcp'], native: ['tcp'] }, 40_000);
      await call.works();
      await server.carries({ tcp: 2 });
      const gap = await call.gap();
      console.log(`the longest gap was ${gap} ms`);
      assert.ok(gap < LONGEST_GAP, `a gap of ${gap} ms`);
      unblock();
      for (let round = 0; round < 3; round++) await call.works();
      const after = await call.gap();
      console.log(`and ${after} ms when UDP came back`);
      assert.ok(after < 2_000, `a gap of ${after} ms when UDP came back`);
      assert.equal(await call.page.run((c) => c.room.localParticipant.sid), sid);
      assert.equal(await call.disconnections(), 0);
    });
  });

  // libwebrtc inside rtc-node trusts none but the authorities compiled into it, so that its TURN has to do without TLS.

  test('nothing but TCP 443: the API in TLS, media through TURN in TLS', async () => {
    const setting = {
      plan: { second: true },
      config: ['turn-tls', 'api-tls'],
      changes: {
        bind_addresses: ['127.0.0.1', SERVER],
        tls: authority.sign(API),
        turn: { ...authority.sign(TURN), bind_addresses: [SERVER_TOO] },
      },
      host: API,
      call: { hosts: { [API]: SERVER, [TURN]: SERVER_TOO }, authority },
      prepare(internet: Internet) {
        internet.allowOnly('browser', { tcp: [443] });
        internet.allowOnly('native', { tcp: [443], udp: [3478] });
      },
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['relay-tls'], native: ['relay-udp'] });
      await server.carries({ 'relay-tls': 1, 'relay-udp': 1 });
    });
  });

  test('a balancer in front that ends TLS for TURN', async () => {
    const certificate = authority.sign(TURN);
    const setting = {
      plan: { second: true },
      config: 'turn-behind-balancer',
      call: { hosts: { [TURN]: SERVER_TOO }, authority },
      async prepare(internet: Internet) {
        internet.allowOnly('browser', { tcp: [443, 7880] });
        const [from, to] = [
          { host: SERVER_TOO, port: 443 },
          { host: SERVER, port: 5349 },
        ];
        await startBalancer(internet.server, from, to, certificate);
      },
    };
    await scene(setting, async ({ call, server }) => {
      assert.deepEqual(await call.routes(), { browser: ['relay-tls'], native: ['udp'] });
      // To the server it is TCP: the balancer ended the TLS.
      await server.carries({ 'relay-tcp': 1, udp: 1 });
    });
  });
});
