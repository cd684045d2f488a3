/** The whole server in this process, on a free port. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { DisconnectReason, LeaveRequest_Action, SignalRequest, SignalResponse } from '@livekit/protocol';
import { AccessToken } from 'livekit-server-sdk';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { type Config, schema } from './config/schema.ts';
import { createServer } from './server.ts';

const lines: string[] = [];
const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });

function config(port = 0): Config {
  return schema.parse({
    port,
    bind_addresses: ['127.0.0.1'],
    keys: { key: 'secret' },
    rtc: {
      node_ip: '127.0.0.1',
      enable_loopback_candidate: true,
      interfaces: { includes: ['lo'] },
      port_range_start: 53_000,
      port_range_end: 53_100,
      tcp_port: 0,
    },
  });
}

test('a closing server says goodbye, and every part of it ends', async () => {
  const server = await createServer(config(), log, '0.0.0');
  await server.start();
  const { host, port } = server.addresses[0] ?? assert.fail('no address');
  assert.match(lines.join(''), new RegExp(`"portHttp":${port},"nodeID":"${server.nodeId}","nodeIP":"127.0.0.1"`));
  assert.equal(await (await fetch(`http://${host}:${port}/`)).text(), 'OK');

  const token = new AccessToken('key', 'secret', { identity: 'alice' });
  token.addGrant({ roomJoin: true, room: 'r' });
  const client = new WebSocket(`ws://${host}:${port}/rtc?protocol=17&access_token=${await token.toJwt()}`);
  const received: SignalResponse['message'][] = [];
  client.on('message', (data: Buffer) => received.push(SignalResponse.fromBinary(data).message));
  await once(client, 'message');

  const closed = once(client, 'close');
  await Promise.all([server.close(), server.close()]);
  assert.equal((await closed)[0], 1000);
  const last = received.at(-1);
  assert.ok(last?.case === 'leave');
  assert.equal(last.value.reason, DisconnectReason.SERVER_SHUTDOWN);
  assert.equal(last.value.action, LeaveRequest_Action.DISCONNECT);
  await assert.rejects(fetch(`http://${host}:${port}/`));
});

test('with its port range used up the server refuses one join, and goes on', async () => {
  const tight = config();
  // A client of this protocol has two transports.
  Object.assign(tight.rtc, { port_range_start: 53_201, port_range_end: 53_202 });
  const server = await createServer(tight, log, '0.0.0');
  await server.start();
  const { port } = server.addresses[0] ?? assert.fail('no address');
  const join = async (identity: string) => {
    const token = new AccessToken('key', 'secret', { identity });
    token.addGrant({ roomJoin: true, room: 'r' });
    return new WebSocket(`ws://127.0.0.1:${port}/rtc?protocol=17&access_token=${await token.toJwt()}`);
  };
  const alice = await join('alice');
  await once(alice, 'message');
  const bob = await join('bob');
  const [, refusal] = await once(bob, 'unexpected-response');
  assert.equal(refusal.statusCode, 503);
  const text = (await refusal.toArray()).join('');
  assert.match(text, /resource exhausted.*rtc.port_range_start/);

  alice.send(new SignalRequest({ message: { case: 'leave', value: {} } }).toBinary());
  await once(alice, 'close');
  const again = await join('bob');
  await once(again, 'message');
  await server.close();
});

test('a port that is taken is an error that names it, and nothing is left running', async () => {
  const first = await createServer(config(), log, '0.0.0');
  await first.start();
  const port = first.addresses[0]?.port ?? 0;
  const second = await createServer(config(port), log, '0.0.0');
  await assert.rejects(second.start(), new RegExp(`127.0.0.1:${port}`));
  assert.deepEqual(second.addresses, []);
  await first.close();
});
