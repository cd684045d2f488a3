import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { MasterConnector, ServerConnector } from './connector.ts';
import { startSentinel } from './testing/redis.ts';

test('an error after the last one ends nothing', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  for (const tls of [undefined, {}]) {
    const connector = new ServerConnector({ host: '127.0.0.1', port: address.port, ...(tls && { tls }) });
    const stream = await connector.connect();
    const first = new Error('the first');
    await destroyed(stream, first);
    assert.equal(connector.firstError, first);
    // Throws where nobody listens, as it would from the event loop.
    assert.ok(stream.emit('error', new Error('late')));
  }
});

test('nor does one of a connection to a master', async (t) => {
  const { redis, stop } = await startSentinel();
  t.after(stop);
  const sentinels = redis.sentinel_addresses.map((at) => ({ host: '127.0.0.1', port: Number(at.split(':').at(-1)) }));
  const connector = new MasterConnector({ sentinels, name: redis.sentinel_master_name, role: 'master' });
  const stream = await connector.connect(() => {});
  await destroyed(stream, new Error('the first'));
  assert.ok(stream.emit('error', new Error('late')));
});

function destroyed(stream: Socket, error: Error): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
    stream.destroy(error);
  });
}
