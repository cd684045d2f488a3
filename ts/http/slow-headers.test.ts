import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { createNodeApp } from './node.ts';
import { text } from './reply.ts';
import { uwsFactory } from './uws.ts';

const uws = uwsFactory();
const factories = 'create' in uws ? [createNodeApp, uws.create] : [createNodeApp];

describe('slow headers', { concurrency: true }, () => {
  for (const create of factories) {
    it(`a connection that drips its headers is cut (${create.name})`, { timeout: 45_000 }, async () => {
      const app = create(
        async () => text(200, ''),
        { maxBodyBytes: 0, maxMessageBytes: 0, maxBufferedBytes: 0 },
        (error) => assert.fail(String(error)),
      );
      const { port } = await app.listen('127.0.0.1', 0);
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write('GET / HTTP/1.1\r\nHost:');
      const drip = setInterval(() => socket.write('x'), 3000);
      await once(socket, 'close');
      clearInterval(drip);
      await app.close(0);
    });
  }
});
