/** One suite for every implementation of the HTTP server, with and without TLS. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { constants, deflateRawSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { selfSigned } from '../lib/testing/self-signed.ts';
import { createNodeApp } from './node.ts';
import { content, text } from './reply.ts';
import {
  BodyTooLarge,
  type HttpApp,
  type HttpAppFactory,
  type HttpHandler,
  type HttpSettings,
  type Reply,
  type ServerSocket,
  type SocketListener,
} from './types.ts';
import { uwsFactory } from './uws.ts';

const uws = uwsFactory();
const factories: [string, HttpAppFactory][] = [['node', createNodeApp]];
if ('create' in uws) factories.push(['uws', uws.create]);
const certificate = selfSigned();
// `fetch` has no other way to be told of it.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

const SETTINGS: HttpSettings = { maxBodyBytes: 100_000, maxMessageBytes: 50_000, maxBufferedBytes: 4_000_000 };

for (const [name, create] of factories) {
  suite(`http on ${name}`, create, false);
  suite(`https on ${name}`, create, true);
}

function suite(name: string, create: HttpAppFactory, tls: boolean): void {
  const http = tls ? 'https' : 'http';
  const ws = tls ? 'wss' : 'ws';
  const dial = (port: number) =>
    tls ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }) : connect(port, '127.0.0.1');
  const call = tls ? httpsRequest : httpRequest;

  describe(name, () => {
    const apps: HttpApp[] = [];
    const errors: unknown[] = [];
    afterEach(async () => {
      errors.length = 0;
      await Promise.all(apps.splice(0).map((app) => app.close(0)));
    });

    async function serve(handler: HttpHandler, settings: Partial<HttpSettings> = {}, host = '127.0.0.1') {
      const app = create(handler, { ...SETTINGS, ...(tls ? { certificate } : {}), ...settings }, (error) =>
        errors.push(error),
      );
      apps.push(app);
      const { port } = await app.listen(host, 0);
      return port;
    }

    it('hands over method, path, query, headers, address and body', async () => {
      const port = await serve(async (request) => {
        const body = Buffer.from(await request.body()).toString();
        const header = request.headers.get('x-name');
        return text(200, [request.method, request.path, request.query, header, request.remoteAddress, body].join(' '));
      });
      const answer = await fetch(`${http}://127.0.0.1:${port}/A/b?x=%20y`, {
        method: 'POST',
        body: 'hi',
        headers: { 'X-Name': 'v' },
      });
      assert.equal(await answer.text(), 'POST /A/b x=%20y v 127.0.0.1 hi');
    });

    it('listens on the port that it is told, on one address and on all', async () => {
      for (const host of ['127.0.0.1', '']) {
        const free = createServer().listen(0);
        await once(free, 'listening');
        const { port } = free.address() as AddressInfo;
        await new Promise((resolve) => free.close(resolve));
        const app = create(
          async () => text(200, 'here'),
          { ...SETTINGS, ...(tls ? { certificate } : {}) },
          (error) => assert.fail(String(error)),
        );
        apps.push(app);
        assert.equal((await app.listen(host, port)).port, port);
        assert.equal(await (await fetch(`${http}://127.0.0.1:${port}/`)).text(), 'here');
        await assert.rejects(app.listen(host, port), /cannot listen/);
      }
    });

    it('keeps every socket that it opened after a while', async () => {
      const port = await serve(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return {
          kind: 'upgrade',
          open: (socket) => {
            socket.send('x'.repeat(1000));
            return { message: () => {}, pong: () => {}, drained: () => {}, closed: () => {} };
          },
        };
      });
      for (let round = 0; round < 20; round++) {
        const sockets = Array.from({ length: 20 }, () => new WebSocket(`${ws}://127.0.0.1:${port}/`));
        await Promise.all(sockets.map((socket) => once(socket, 'message')));
        const pongs = sockets.map((socket) => once(socket, 'pong', { signal: AbortSignal.timeout(5_000) }));
        for (const socket of sockets) socket.ping();
        await Promise.all(pongs);
        for (const socket of sockets) socket.terminate();
      }
    });

    it('writes status, headers and body', async () => {
      const port = await serve(async () => ({
        ...content(406, 'text/x', 'no'),
        headers: [
          ['Content-Type', 'text/x'],
          ['X-A', 'b'],
        ],
      }));
      const answer = await fetch(`${http}://127.0.0.1:${port}/`);
      assert.equal(answer.status, 406);
      assert.equal(answer.headers.get('content-type'), 'text/x');
      assert.equal(answer.headers.get('x-a'), 'b');
      assert.equal(answer.headers.get('content-length'), '2');
      assert.equal(await answer.text(), 'no');
    });

    it('answers HEAD with the length and no body', async () => {
      const port = await serve(async () => text(200, 'OK'));
      const sent = call({ port, method: 'HEAD', path: '/' }).end();
      const [answer] = await once(sent, 'response');
      assert.equal(answer.headers['content-length'], '2');
      answer.resume();
      await once(answer, 'end');
    });

    it('answers a rejecting handler with 500', async () => {
      const port = await serve(async () => {
        throw new Error('bug');
      });
      assert.equal((await fetch(`${http}://127.0.0.1:${port}/`)).status, 500);
      assert.equal(errors.length, 1);
    });

    it('takes a URL of 60 kB', async () => {
      const port = await serve(async (request) => text(200, String(request.query.length)));
      assert.equal(await (await fetch(`${http}://127.0.0.1:${port}/?${'x'.repeat(60_000)}`)).text(), '60000');
    });

    it('reads chunked bodies', async () => {
      const port = await serve(async (request) => text(200, String((await request.body()).length)));
      const sent = call({ port, method: 'POST', path: '/' });
      for (let index = 0; index < 5; index++) sent.write('x'.repeat(10_000));
      sent.end();
      const [answer] = await once(sent, 'response');
      const [chunk] = await once(answer, 'data');
      assert.equal(String(chunk), '50000');
    });

    it('rejects a body over the limit, however it is sent, and closes the connection', async () => {
      const port = await serve(async (request) => {
        try {
          await request.body();
        } catch (error) {
          if (error instanceof BodyTooLarge) return text(413, 'too large');
          throw error;
        }
        return text(200, '');
      });
      const socket = dial(port);
      // Writing goes on after the server's end is closed: EPIPE and resets are what such a client sees.
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
      const endless = setInterval(() => socket.write(`2710\r\n${'x'.repeat(10_000)}\r\n`), 2);
      try {
        const chunk = await new Promise((resolve) => {
          socket.once('data', resolve);
          socket.once('close', () => resolve('closed without a reply'));
        });
        assert.match(String(chunk), /^HTTP\/1.1 413 /);
        await closed;
      } finally {
        clearInterval(endless);
      }
    });

    it('gives the reply also to clients that write all before they read', async () => {
      const port = await serve(async () => text(413, 'request body too large'), { maxBodyBytes: 1_000_000 });
      const answer = await fetch(`${http}://127.0.0.1:${port}/`, { method: 'POST', body: Buffer.alloc(11_000_000) });
      assert.equal(answer.status, 413);
      assert.equal(await answer.text(), 'request body too large');
    });

    it('closes the connection behind a reply that did not wait for the body', async () => {
      const port = await serve(async () => text(413, 'request body too large'));
      const socket = dial(port);
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      await once(socket, 'close');
      const reply = Buffer.concat(chunks).toString();
      assert.match(reply, /^HTTP\/1.1 413 [\s\S]*\r\n\r\n[\s\S]*request body too large/);
    });

    it('tells a waiting handler that the client is gone', async () => {
      let aborted = false;
      const port = await serve(async (request) => {
        await once(request.aborted, 'abort');
        aborted = true;
        return text(200, '');
      });
      const socket = dial(port);
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      setTimeout(() => socket.destroy(), 20);
      await until(() => aborted);
    });

    it('does not share a port', async () => {
      const port = await serve(async () => text(200, ''));
      const second = create(
        async () => text(200, ''),
        SETTINGS,
        () => {},
      );
      apps.push(second);
      await assert.rejects(second.listen('127.0.0.1', port), new RegExp(`127.0.0.1:${port}`));
    });

    it('gives IPv4 addresses also on an all-address socket', async () => {
      const port = await serve(async (request) => text(200, request.remoteAddress), {}, '');
      assert.equal(await (await fetch(`${http}://127.0.0.1:${port}/`)).text(), '127.0.0.1');
    });

    it('refuses an upgrade with an ordinary reply', async () => {
      const port = await serve(async (request) => text(request.upgrade ? 401 : 200, 'no permissions'));
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/rtc?access_token=x`);
      const [, answer] = await once(client, 'unexpected-response');
      assert.equal(answer.statusCode, 401);
      const [chunk] = await once(answer, 'data');
      assert.equal(String(chunk), 'no permissions');
      client.on('error', () => {});
      client.terminate();
    });

    it('upgrades after an await, with deflate and large frames both ways', async () => {
      const port = await serve(async () => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return echo();
      });
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`);
      await once(client, 'open');
      assert.match(client.extensions, /permessage-deflate/);
      const long = 'ä'.repeat(20_000);
      client.send(long);
      const [reply, isBinary] = await once(client, 'message');
      assert.equal(isBinary, false);
      assert.equal(String(reply), long);
      client.send(Buffer.from([1, 2, 3]));
      const [bytes, binary] = await once(client, 'message');
      assert.equal(binary, true);
      assert.deepEqual([...bytes], [1, 2, 3]);
      client.close();
      await once(client, 'close');
    });

    it('does not open a socket whose client left during the wait', async () => {
      let opened = false;
      const port = await serve(async (request) => {
        await once(request.aborted, 'abort');
        return {
          kind: 'upgrade',
          open: () => {
            opened = true;
            return listener({});
          },
        };
      });
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`);
      client.on('error', () => {});
      await new Promise((resolve) => setTimeout(resolve, 30));
      client.terminate();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(opened, false);
      assert.deepEqual(errors, []);
    });

    it('closes with 1009 above the message limit', async () => {
      const port = await serve(async () => echo());
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`, { perMessageDeflate: false });
      await once(client, 'open');
      client.send(Buffer.alloc(50_000));
      assert.equal((await once(client, 'message'))[0].length, 50_000);
      client.send(Buffer.alloc(50_001));
      assert.equal((await once(client, 'close'))[0], 1009);
    });

    it('tears down a deflate bomb without inflating it', async () => {
      let longest = 0;
      const port = await serve(async () => echo((data) => (longest = Math.max(longest, data.length))));
      const before = process.memoryUsage().rss;
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`);
      await once(client, 'open');
      client.on('error', () => {});
      sendRaw(client, deflated(100_000_000));
      assert.equal((await once(client, 'close'))[0], 1006);
      assert.equal(longest, 0);
      assert.ok(process.memoryUsage().rss - before < 400_000_000);
    });

    it('closes with 1007 on text that is not UTF-8', async () => {
      const port = await serve(async () => echo());
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`, { perMessageDeflate: false });
      await once(client, 'open');
      client.on('error', () => {});
      client.send(Buffer.from([0xff, 0xfe]), { binary: false });
      const [code] = await once(client, 'close');
      assert.ok(code === 1007 || code === 1006, `code ${code}`);
    });

    it('reports how the client closed', async () => {
      const codes: number[] = [];
      const port = await serve(async () => echo(undefined, (code) => codes.push(code)));
      for (const close of [
        (c: WebSocket) => c.close(1001),
        (c: WebSocket) => c.close(),
        (c: WebSocket) => c.terminate(),
      ]) {
        const client = new WebSocket(`${ws}://127.0.0.1:${port}/`);
        await once(client, 'open');
        const seen = codes.length;
        close(client);
        await until(() => codes.length > seen);
      }
      assert.deepEqual(codes, [1001, 1005, 1006]);
    });

    it('pings and hears the answer, and closes with the code it is told, behind what is queued', async () => {
      let pongs = 0;
      let closed = 0;
      const port = await serve(async () => ({
        kind: 'upgrade',
        open: (socket) => {
          socket.ping();
          return {
            message: () => {
              for (let index = 0; index < 10; index++) socket.send(Buffer.alloc(40_000, index));
              socket.close(1000);
              socket.send('late');
              socket.close(1001);
            },
            pong: () => pongs++,
            drained: () => {},
            closed: () => closed++,
          };
        },
      }));
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`);
      let received = 0;
      client.on('message', () => received++);
      await once(client, 'open');
      await until(() => pongs === 1);
      client.send('go');
      const [code] = await once(client, 'close');
      assert.equal(code, 1000);
      assert.equal(received, 10);
      await until(() => closed === 1);
    });

    it('a listener hears of a close that came before it was there', async () => {
      const codes: number[] = [];
      const port = await serve(async () => ({
        kind: 'upgrade',
        open: (socket) => {
          socket.send('bye');
          socket.close(1000);
          return listener({ closed: (code) => codes.push(code) });
        },
      }));
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`);
      assert.equal(String((await once(client, 'message'))[0]), 'bye');
      await until(() => codes.length === 1);
    });

    it('terminates a reader that does not read', async () => {
      let socket: ServerSocket | undefined;
      let code = 0;
      const port = await serve(
        async () => ({
          kind: 'upgrade',
          open: (opened) => {
            socket = opened;
            return listener({ closed: (closed) => (code = closed) });
          },
        }),
        { maxBufferedBytes: 256_000 },
      );
      const client = new WebSocket(`${ws}://127.0.0.1:${port}/`, { perMessageDeflate: false });
      client.on('error', () => {});
      await once(client, 'open');
      client.pause();
      await until(() => socket !== undefined);
      for (let index = 0; index < 500 && code === 0; index++) {
        socket?.send(Buffer.alloc(32_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => code !== 0);
      assert.equal(code, 1006);
      client.terminate();
    });
  });
}

function listener(parts: Partial<SocketListener>): SocketListener {
  return { message: () => {}, pong: () => {}, drained: () => {}, closed: () => {}, ...parts };
}

function echo(onMessage?: (data: string | Uint8Array) => void, closed?: (code: number) => void): Reply {
  return {
    kind: 'upgrade',
    open: (socket) =>
      listener({
        message: (data) => {
          onMessage?.(data);
          socket.send(data);
        },
        closed: (code) => closed?.(code),
      }),
  };
}

function deflated(size: number): Buffer {
  return deflateRawSync(Buffer.alloc(size), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** Sends an already compressed text frame, masked with zeros. */
function sendRaw(client: WebSocket, payload: Buffer): void {
  const head = Buffer.alloc(14);
  head[0] = 0xc1;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(payload.length), 2);
  (client as unknown as { _socket: { write(data: Buffer): void } })._socket.write(Buffer.concat([head, payload]));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail('condition not met within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
