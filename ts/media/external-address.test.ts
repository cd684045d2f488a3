import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { bindingResponse, stunResponder } from '../lib/testing/stun-responder.ts';
import { discoverExternal, parseStunServer } from './external-address.ts';

const QUICK = { resolve: 2000, waits: [60, 60, 60] };
const elsewhere = { ip: '198.51.100.7', port: 4000 };

function discover(locals: string[], stunServers: string[], options: { selfCheck?: boolean; ports?: number[] } = {}) {
  return discoverExternal(locals, { stunServers, ports: [0], selfCheck: true, times: QUICK, ...options });
}

test('each local address is told what a STUN server saw, and what comes back by it is verified', async () => {
  const server = await stunResponder('127.0.0.1', (client) => ({ ip: client.address, port: client.port }));
  const name = `127.0.0.1:${server.port}`;
  const { found, defaults } = await discover(['127.0.0.1', '127.0.0.2'], [name]);
  assert.deepEqual(found.get('127.0.0.1'), { external: '127.0.0.1', server: name, selfCheck: 'passed' });
  assert.deepEqual(found.get('127.0.0.2'), { external: '127.0.0.2', server: name, selfCheck: 'passed' });
  assert.deepEqual(defaults, ['127.0.0.1']);
  await server.close();
});

test('IPv6 addresses ask servers with an IPv6 address', async (context) => {
  const server = await stunResponder('::1', ({ address, port }) => ({ ip: address, port })).catch(() => undefined);
  if (server === undefined) return context.skip('there is no IPv6 here');
  const name = `[::1]:${server.port}`;
  const { found } = await discover(['::1', '127.0.0.1'], [name]);
  assert.deepEqual(found.get('::1'), { external: '::1', server: name, selfCheck: 'passed' });
  assert.deepEqual(found.get('127.0.0.1'), { failure: 'no STUN server has an IPv4 address' });
  await server.close();
});

test('an external address that nothing comes back by has failed the self-check', async () => {
  const server = await stunResponder('127.0.0.1', () => ({ ip: '127.0.0.9', port: 9 }));
  const name = `127.0.0.1:${server.port}`;
  const { found } = await discover(['127.0.0.1'], [name]);
  assert.deepEqual(found.get('127.0.0.1'), { external: '127.0.0.9', server: name, selfCheck: 'failed' });
  await server.close();
});

test('the self-check can be switched off', async () => {
  const server = await stunResponder('127.0.0.1', () => elsewhere);
  const name = `127.0.0.1:${server.port}`;
  const { found } = await discover(['127.0.0.1'], [name], { selfCheck: false });
  assert.deepEqual(found.get('127.0.0.1'), { external: '198.51.100.7', server: name, selfCheck: 'skipped' });
  await server.close();
});

test('the third request is answered in time, and a server that is silent is named', async () => {
  const server = await stunResponder('127.0.0.1', (_, request) => (request === 3 ? elsewhere : undefined));
  const name = `127.0.0.1:${server.port}`;
  const late = await discover(['127.0.0.1'], [name], { selfCheck: false });
  assert.equal('external' in (late.found.get('127.0.0.1') ?? {}), true);
  const never = await discover(['127.0.0.1'], [name]);
  assert.deepEqual(never.found.get('127.0.0.1'), { failure: `no answer from ${name}` });
  assert.equal(server.requests.length, 6);
  await server.close();
});

test('one server that answers is enough', async () => {
  const silent = await stunResponder('127.0.0.1', () => undefined);
  const server = await stunResponder('127.0.0.1', () => elsewhere);
  const names = [`127.0.0.1:${silent.port}`, 'not-a-server', `127.0.0.1:${server.port}`];
  const { found } = await discover(['127.0.0.1'], names, { selfCheck: false });
  assert.deepEqual(found.get('127.0.0.1'), { external: '198.51.100.7', server: names[2], selfCheck: 'skipped' });
  await Promise.all([silent.close(), server.close()]);
});

test('answers to other questions, from elsewhere, and of the other family do not count', async () => {
  const spoiled = await stunResponder(
    '127.0.0.1',
    () => elsewhere,
    (answer) => {
      answer[19] = (answer[19] ?? 0) ^ 1;
      return answer;
    },
  );
  const other = await stunResponder('127.0.0.1', () => ({ ip: '2001:db8::7', port: 1 }));
  const stranger = createSocket('udp4');
  const relay = createSocket('udp4');
  // Answers rightly, but by another socket than was asked.
  relay.on('message', (bytes, { port }) => stranger.send(bindingResponse(bytes.subarray(8, 20), elsewhere), port));
  relay.bind(0, '127.0.0.1');
  await once(relay, 'listening');
  const names = [spoiled.port, other.port, relay.address().port].map((port) => `127.0.0.1:${port}`);
  const { found } = await discover(['127.0.0.1'], names);
  assert.deepEqual(found.get('127.0.0.1'), { failure: `no answer from ${names.join(', ')}` });
  assert.ok(spoiled.requests.length > 0 && other.requests.length > 0);
  stranger.close();
  relay.close();
  await Promise.all([spoiled.close(), other.close()]);
});

test('a port in use is passed over for the next, and named where there is none', async () => {
  const server = await stunResponder('127.0.0.1', () => elsewhere);
  const names = [`127.0.0.1:${server.port}`];
  const free = createSocket('udp4').bind(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address();
  await new Promise<void>((resolve) => free.close(resolve));
  const passed = await discover(['127.0.0.1'], names, { ports: [server.port, port], selfCheck: false });
  assert.equal('external' in (passed.found.get('127.0.0.1') ?? {}), true);
  assert.equal(server.requests[0]?.port, port);
  const none = await discover(['127.0.0.1'], names, { ports: [server.port] });
  assert.deepEqual(none.found.get('127.0.0.1'), { failure: `can't bind UDP port ${server.port}: EADDRINUSE` });
  await server.close();
});

test('names that do not resolve and addresses that are not there say so', async () => {
  const { found } = await discover(['127.0.0.1'], ['stun.invalid:3478', 'stun.example.com']);
  const failure = found.get('127.0.0.1');
  assert.ok(failure !== undefined && 'failure' in failure);
  assert.match(failure.failure, /^stun.invalid .*, stun.example.com is not host:port/);
  const server = await stunResponder('127.0.0.1', () => elsewhere);
  const gone = await discover(['192.0.2.77'], [`127.0.0.1:${server.port}`]);
  assert.deepEqual(gone.found.get('192.0.2.77'), { failure: "can't bind UDP port 0: EADDRNOTAVAIL" });
  await server.close();
});

test('servers are host:port', () => {
  assert.deepEqual(parseStunServer('stun.example.com:3478'), { host: 'stun.example.com', port: 3478 });
  assert.deepEqual(parseStunServer('[2001:db8::1]:19302'), { host: '2001:db8::1', port: 19302 });
  for (const bad of [
    'stun.example.com',
    'stun:stun.example.com:3478',
    '2001:db8::1',
    '[1.2.3.4]:1',
    'a:0',
    'a:65536',
    '',
  ]) {
    assert.equal(parseStunServer(bad), undefined, bad);
  }
});
