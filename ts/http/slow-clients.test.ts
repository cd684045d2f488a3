/** Acceptance 30: connections that keep silent or drip, by the thousand, are cut, and harm nobody else. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { selfSigned } from '../lib/testing/self-signed.ts';
import { createNodeApp } from './node.ts';
import { text } from './reply.ts';
import type { HttpApp, HttpAppFactory, HttpSettings } from './types.ts';
import { uwsFactory } from './uws.ts';

const uws = uwsFactory();
const factories: [string, HttpAppFactory][] = [['node', createNodeApp]];
if ('create' in uws) factories.push(['uws', uws.create]);
const certificate = selfSigned();
/** 10 s, and what both servers take to look. */
const CUT_AFTER_MS = 16_000;
/** Each has its two ends in this process. */
const ATTACKERS = 2500;

for (const [name, create] of factories) {
  describe(`slow clients of ${name}`, { concurrency: true }, () => {
    async function serve(settings: Partial<HttpSettings> = {}): Promise<[HttpApp, number]> {
      const app = create(
        async (request) => (request.upgrade ? echo() : text(200, '')),
        { maxBodyBytes: 0, maxMessageBytes: 0, maxBufferedBytes: 1_000_000, ...settings },
        (error) => assert.fail(String(error)),
      );
      return [app, (await app.listen('127.0.0.1', 0)).port];
    }

    const cases: [string, Partial<HttpSettings>, (port: number) => Promise<Socket>][] = [
      ['that says nothing', {}, async (port) => connect(port, '127.0.0.1')],
      ['that drips its headers', {}, async (port) => begin(connect(port, '127.0.0.1'), HEADERS)],
      ['that drips its headers in TLS', { certificate }, async (port) => begin(await handshake(port), HEADERS)],
      ['that says nothing in TLS', { certificate }, handshake],
      ['that drips its handshake', { certificate }, async (port) => begin(connect(port, '127.0.0.1'), HELLO)],
    ];
    for (const [what, settings, open] of cases) {
      it(`a connection ${what} is cut`, { timeout: 45_000 }, async () => {
        const [app, port] = await serve(settings);
        const socket = await open(port);
        const started = Date.now();
        const drip = setInterval(() => what.includes('drips') && socket.write('x'), 1000);
        await cut(socket);
        clearInterval(drip);
        assert.ok(Date.now() - started < CUT_AFTER_MS, `cut after ${Date.now() - started} ms`);
        await app.close(0);
      });
    }
  });

  // Not at the same time as the others: it counts milliseconds.
  describe(`${ATTACKERS} slow clients of ${name}`, () => {
    for (const [what, maxNewcomers, settings] of [
      ['without a limit', 0, {}],
      ['with one', 500, {}],
      ['in TLS', 0, { certificate }],
    ] as const) {
      it(`harm nobody else ${what}`, { timeout: 60_000 }, async () => {
        const app = create(
          async (request) => (request.upgrade ? echo() : text(200, '')),
          { maxBodyBytes: 0, maxMessageBytes: 0, maxBufferedBytes: 1_000_000, maxNewcomers, ...settings },
          (error) => assert.fail(String(error)),
        );
        const { port } = await app.listen('127.0.0.1', 0);
        const scheme = 'certificate' in settings ? 'wss' : 'ws';
        const early = await join(`${scheme}://127.0.0.1:${port}/`);
        // One that stands when the attack begins from its own address, as behind one proxy.
        const beside = await join(`${scheme}://127.0.0.1:${port}/`, ATTACKER);

        const first = scheme === 'wss' ? HELLO : HEADERS;
        const attackers = Array.from({ length: ATTACKERS }, () =>
          begin(connect({ port, host: '127.0.0.1', localAddress: ATTACKER }), first),
        );
        let open = attackers.length;
        const gone = Promise.all(attackers.map((socket) => cut(socket).then(() => (open -= 1))));
        const drip = setInterval(() => {
          for (const socket of attackers) if (!socket.destroyed) socket.write('x');
        }, 4000);
        await Promise.all(attackers.map((socket) => arrived(socket)));
        if (maxNewcomers > 0) {
          while (open > maxNewcomers) await new Promise((resolve) => setImmediate(resolve));
          assert.equal(app.refusedNewcomers, ATTACKERS - maxNewcomers);
        } else {
          assert.equal(open, ATTACKERS);
        }

        for (let round = 0; round < 10; round++) {
          for (const client of [early, beside]) assert.ok((await answerTime(client)) < 1000);
          const started = Date.now();
          const late = await join(`${scheme}://127.0.0.1:${port}/`);
          assert.ok((await answerTime(late)) < 1000);
          assert.ok(Date.now() - started < 2000, `a new client took ${Date.now() - started} ms`);
          late.terminate();
        }

        // That they are cut in time is seen once.
        if (what !== 'without a limit') for (const socket of attackers) socket.destroy();
        await gone;
        clearInterval(drip);
        assert.ok((await answerTime(early)) < 1000);
        assert.ok((await answerTime(beside)) < 1000);
        await join(`${scheme}://127.0.0.1:${port}/`, ATTACKER);
        await app.close(0);
      });
    }
  });
}

describe('the limit for silent connections', () => {
  for (const [name, create] of factories) {
    it(`does not count who has spoken, by GET, POST or upgrade (${name})`, async () => {
      const app = create(
        async (request) => {
          if (request.upgrade) return echo();
          await request.body();
          return text(200, '');
        },
        { maxBodyBytes: 0, maxMessageBytes: 0, maxBufferedBytes: 1_000_000, maxNewcomers: 2 },
        (error) => assert.fail(String(error)),
      );
      const { port } = await app.listen('127.0.0.1', 0);
      for (let index = 0; index < 10; index++) {
        await join(`ws://127.0.0.1:${port}/`);
        for (const request of [GET, POST, CHUNKED]) await answered(connect(port, '127.0.0.1'), request);
      }
      // Who leaves without a word does not count any longer either.
      for (let index = 0; index < 10; index++) {
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect');
        socket.end();
        await cut(socket);
      }
      assert.equal(app.refusedNewcomers, 0);
      await app.close(0);
    });
  }
});

async function handshake(port: number): Promise<Socket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return socket;
}

function begin(socket: Socket, first: string): Socket {
  socket.on('error', () => {});
  socket.resume();
  socket.write(first, 'latin1');
  return socket;
}

function cut(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
}

/** Connected, or refused at once. */
function arrived(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (!socket.connecting) resolve();
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
}

async function join(url: string, localAddress?: string): Promise<WebSocket> {
  const options = { rejectUnauthorized: false, ...(localAddress === undefined ? {} : { localAddress }) };
  const socket = new WebSocket(url, options);
  await once(socket, 'open');
  return socket;
}

async function answerTime(socket: WebSocket): Promise<number> {
  const started = Date.now();
  socket.send('?');
  await once(socket, 'message');
  return Date.now() - started;
}

async function answered(socket: Socket, request: string): Promise<void> {
  socket.write(request);
  const [data] = await once(socket, 'data');
  assert.match(String(data), /^HTTP\/1.1 200/);
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

const ATTACKER = '127.0.0.2';
const HEADERS = 'GET / HTTP/1.1\r\nHost:';
/** The first bytes of a ClientHello of 4 kB. */
const HELLO = '\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab';
const CHUNKED = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n';
