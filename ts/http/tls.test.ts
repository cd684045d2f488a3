/** TLS of both servers: certificates that change, and what TLS clients may not do. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { selfSigned } from '../lib/testing/self-signed.ts';
import { createNodeApp } from './node.ts';
import { text } from './reply.ts';
import type { HttpApp, HttpAppFactory, HttpHandler } from './types.ts';
import { uwsFactory } from './uws.ts';

const uws = uwsFactory();
const factories: [string, HttpAppFactory][] = [['node', createNodeApp]];
if ('create' in uws) factories.push(['uws', uws.create]);
const first = selfSigned({ name: 'first.test' });
const second = selfSigned({ name: 'second.test' });

for (const [name, create] of factories) {
  describe(`tls on ${name}`, () => {
    const apps: HttpApp[] = [];
    const errors: unknown[] = [];
    afterEach(async () => {
      await Promise.all(apps.splice(0).map((app) => app.close(0)));
      assert.deepEqual(errors.splice(0), []);
    });

    function build(handler: HttpHandler = async () => text(200, 'OK'), certificate = first): HttpApp {
      const settings = { maxBodyBytes: 0, maxMessageBytes: 0, maxBufferedBytes: 1_000_000, certificate };
      const app = create(handler, settings, (error) => errors.push(error));
      apps.push(app);
      return app;
    }

    it('new handshakes use a new certificate, and no connection is lost', async () => {
      const app = build(async (request) => (request.upgrade ? echo() : text(200, 'OK')));
      const { port } = await app.listen('127.0.0.1', 0);
      const socket = new WebSocket(`wss://127.0.0.1:${port}/`, { rejectUnauthorized: false });
      await once(socket, 'open');
      const kept = await dial(port);
      assert.equal(nameOf(kept), 'first.test');
      const waiting = connect(port, '127.0.0.1');
      await once(waiting, 'connect');

      let failed = 0;
      let turn = 0;
      const names = new Set<string>();
      const ended = AbortSignal.timeout(1500);
      const clients = Array.from({ length: 4 }, async () => {
        while (!ended.aborted) {
          const client = await dial(port).catch(() => undefined);
          if (client === undefined || !(await get(client)).startsWith('HTTP/1.1 200')) failed += 1;
          if (client !== undefined) names.add(nameOf(client));
          client?.destroy();
        }
      });
      const turns = setInterval(() => app.setCertificate(turn++ % 2 === 0 ? second : first), 30);
      await Promise.all(clients);
      clearInterval(turns);
      assert.equal(failed, 0);
      assert.deepEqual([...names].sort(), ['first.test', 'second.test']);

      app.setCertificate(second);
      assert.equal(nameOf(await dial(port)), 'second.test');
      assert.match(await get(kept), /^HTTP\/1.1 200/);
      socket.send('still here');
      assert.equal(String((await once(socket, 'message'))[0]), 'still here');
      const late = connectTls({ socket: waiting, rejectUnauthorized: false });
      await once(late, 'secureConnect');
      assert.match(await get(late), /^HTTP\/1.1 200/);
    });

    it('a certificate that can not be used changes nothing', async () => {
      const app = build();
      const { port } = await app.listen('127.0.0.1', 0);
      assert.throws(() => app.setCertificate({ certPem: second.certPem, keyPem: first.keyPem }));
      assert.throws(() => app.setCertificate({ certPem: 'junk', keyPem: 'junk' }));
      assert.equal(nameOf(await dial(port)), 'first.test');
      assert.throws(() => build(undefined, { ...first, certPem: 'junk' }));
    });

    it('the port stays ours alone while certificates change', async () => {
      const app = build();
      const { port } = await app.listen('127.0.0.1', 0);
      app.setCertificate(second);
      await assert.rejects(build().listen('127.0.0.1', port), new RegExp(`127.0.0.1:${port}`));
    });

    it('the whole chain is sent', async () => {
      const authority = selfSigned({ name: 'authority.test' });
      const leaf = selfSigned({ name: 'leaf.test', issuer: authority });
      const app = build(undefined, { ...leaf, certPem: leaf.certPem + authority.certPem });
      const { port } = await app.listen('127.0.0.1', 0);
      const client = await dial(port, { rejectUnauthorized: true, ca: authority.certPem });
      const { issuerCertificate } = client.getPeerCertificate(true);
      assert.equal(issuerCertificate.subject.CN, 'authority.test');
    });

    it('TLS 1.1 and older are refused', async () => {
      const { port } = await build().listen('127.0.0.1', 0);
      await assert.rejects(dial(port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }));
      assert.equal((await dial(port, { maxVersion: 'TLSv1.2' })).getProtocol(), 'TLSv1.2');
      assert.equal((await dial(port)).getProtocol(), 'TLSv1.3');
    });

    it('a client can not ask for a new handshake on its connection', async () => {
      const { port } = await build().listen('127.0.0.1', 0);
      const client = await dial(port, { maxVersion: 'TLSv1.2' });
      const refused = new Promise((resolve) => {
        client.on('error', resolve);
        client.on('close', resolve);
      });
      client.renegotiate({ rejectUnauthorized: false }, (error) => assert.ok(error));
      await refused;
    });

    it('plain HTTP gets no answer, and others go on', async () => {
      const { port } = await build().listen('127.0.0.1', 0);
      const plain = connect(port, '127.0.0.1');
      plain.on('error', () => {});
      plain.resume();
      plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await new Promise((resolve) => plain.once('close', resolve));
      assert.match(await get(await dial(port)), /^HTTP\/1.1 200/);
    });

    it('is only there with a certificate', async () => {
      const app = create(
        async () => text(200, ''),
        { maxBodyBytes: 0, maxMessageBytes: 0, maxBufferedBytes: 0 },
        () => {},
      );
      assert.throws(() => app.setCertificate(first), /not a TLS server/);
      await app.close(0);
    });
  });
}

async function dial(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(client, 'secureConnect');
  client.on('error', () => {});
  return client;
}

function nameOf(client: TLSSocket): string {
  return String(client.getPeerCertificate().subject.CN);
}

async function get(client: TLSSocket): Promise<string> {
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return new Promise((resolve) => {
    client.once('data', (data) => resolve(String(data)));
    client.once('close', () => resolve(''));
  });
}

function echo() {
  return {
    kind: 'upgrade' as const,
    open: (socket: { send(data: string | Uint8Array): void }) => ({
      message: (data: string | Uint8Array) => socket.send(data),
      pong: () => {},
      drained: () => {},
      closed: () => {},
    }),
  };
}
