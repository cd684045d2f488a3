/** The signal connection as livekit-facts 1 and 2 have it, and what hostile clients send (acceptance 25 and 27). */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Ping, SignalRequest } from '@livekit/protocol';
import { SignJWT } from 'jose';
import { freshRoom, joinToken, KEY, SECRET, startServer, type TestServer } from './support/server.ts';
import { base64, connect, Refused, v0, v1 } from './support/signal.ts';

let server: TestServer;

before(async () => {
  server = await startServer();
});

after(async () => {
  await server?.stop();
});

const secret = new TextEncoder().encode(SECRET);

interface Claims {
  iss?: string;
  sub?: string;
  exp?: number;
  nbf?: number;
  video?: object;
}

const now = () => Math.floor(Date.now() / 1000);

function sign(claims: Claims, key: Uint8Array = secret): Promise<string> {
  const body = { iss: KEY, sub: 'alice', exp: now() + 600, video: { roomJoin: true, room: 'a' }, ...claims };
  return new SignJWT(body as never).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

/** A token with a header of one's own choice, signed with HMAC all the same. */
function forge(header: object, signature = true): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part(header)}.${part({ iss: KEY, sub: 'alice', exp: now() + 600, video: { roomJoin: true, room: 'a' } })}`;
  return `${body}.${signature ? createHmac('sha256', SECRET).update(body).digest('base64url') : ''}`;
}

/** Both what the socket and what the validate route say. */
async function refusal(token: string | undefined): Promise<[number, string]> {
  const path = token === undefined ? '/rtc?protocol=17' : v0(token);
  const validated = await fetch(`${server.httpUrl}${path.replace('/rtc', '/rtc/validate')}`);
  const text = await validated.text();
  const refused = await connect(server.url + path).then(
    () => assert.fail('the socket opened'),
    (error: unknown) => error,
  );
  assert.ok(refused instanceof Refused, String(refused));
  assert.equal(refused.status, validated.status);
  return [validated.status, text];
}

describe('tokens', () => {
  test('a missing, unreadable or foreign token is refused with 401', async () => {
    assert.equal((await refusal(undefined))[0], 401);
    assert.equal((await refusal('nonsense'))[0], 401);
    const [status, text] = await refusal(await sign({ iss: 'stranger' }));
    assert.equal(status, 401);
    assert.match(text, /^invalid API key/);
  });

  test('a wrong signature, an expired token and one not valid yet are refused with the reason', async () => {
    for (const token of [
      await sign({}, new TextEncoder().encode('another secret of sufficient length!')),
      await sign({ exp: now() - 120 }),
      await sign({ nbf: now() + 600 }),
    ]) {
      const [status, text] = await refusal(token);
      assert.equal(status, 401);
      assert.match(text, /^invalid (authorization )?token: /);
    }
  });

  test('algorithms other than HS256 are refused, also with a valid HMAC', async () => {
    for (const alg of ['none', 'RS256', 'HS512']) {
      assert.equal((await refusal(forge({ alg, typ: 'JWT' }, alg !== 'none')))[0], 401);
    }
  });

  test('a token without the grant, without identity or without a room is refused', async () => {
    assert.equal((await refusal(await sign({ video: {} })))[0], 401);
    assert.equal((await refusal(await sign({ video: { roomJoin: false, room: 'a' } })))[0], 401);
    assert.equal((await refusal(await sign({ sub: '' })))[0], 400);
    assert.equal((await refusal(await sign({ video: { roomJoin: true } })))[0], 400);
    assert.equal((await refusal(await sign({ sub: 'x'.repeat(257) })))[0], 400);
    assert.equal((await refusal(await sign({ video: { roomJoin: true, room: 'y'.repeat(257) } })))[0], 400);
  });

  test('a megabyte of token is refused and the server lives', async () => {
    const answer = await fetch(`${server.httpUrl}/rtc/validate`, {
      headers: { authorization: `Bearer ${'a'.repeat(1_000_000)}` },
    }).catch(() => undefined);
    assert.ok(answer === undefined || answer.status >= 400);
    assert.equal((await fetch(server.httpUrl)).status, 200);
  });

  test('every answer carries CORS headers', async () => {
    const answer = await fetch(`${server.httpUrl}/twirp/livekit.RoomService/ListRooms`, {
      method: 'POST',
      headers: { authorization: 'Bearer nonsense', origin: 'https://example.org' },
    });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://example.org');
  });
});

describe('joining', () => {
  test('the first message is join, with what clients depend on', async () => {
    const room = freshRoom();
    for (const path of [
      v0(await joinToken(room, 'old')),
      v1(await joinToken(room, 'new')),
      v1(await joinToken(room, 'zip'), {}, true),
    ]) {
      const client = await connect(server.url + path);
      const { message } = await client.next('join');
      assert.ok(message.case === 'join');
      const { value: join } = message;
      assert.equal(join.room?.name, room);
      assert.match(join.participant?.sid ?? '', /^PA_/);
      assert.deepEqual([join.pingInterval, join.pingTimeout], [5, 15]);
      assert.equal(join.serverInfo?.protocol, 17);
      assert.ok(join.sifTrailer.length > 0);
      assert.equal(join.enabledPublishCodecs[0]?.mime.toLowerCase(), 'video/vp8');
      assert.equal(join.subscriberPrimary, path.startsWith('/rtc?'));
      await client.next('refreshToken');
      client.close();
    }
  });

  test('a URL with 60 kB of token and join request passes', async () => {
    const metadata = 'm'.repeat(30_000);
    const token = await joinToken(freshRoom(), 'long', {}, { metadata });
    const client = await connect(server.url + v1(token, { metadata: 'n'.repeat(14_000) }));
    const { message } = await client.next('join');
    assert.ok(message.case === 'join');
    assert.equal(message.value.participant?.metadata.length, 14_000);
    client.close();
  });

  test('bad join requests are refused in words', async () => {
    const token = await joinToken(freshRoom(), 'alice');
    const cases: [string, string][] = [
      ['', 'join_request is required'],
      ['%%%', 'cannot base64 decode wrapped join request'],
      [base64(new Uint8Array([0xff, 0xff, 0xff])), 'cannot unmarshal wrapped join request'],
    ];
    for (const [value, text] of cases) {
      const query = new URLSearchParams({ access_token: token, ...(value === '' ? {} : { join_request: value }) });
      const answer = await fetch(`${server.httpUrl}/rtc/v1/validate?${query}`);
      assert.equal(answer.status, 400);
      assert.equal((await answer.text()).trim(), text);
    }
  });

  test('ping is answered, in text to who speaks text', async () => {
    const client = await connect(server.url + v0(await joinToken(freshRoom(), 'alice')));
    await client.next('join');
    client.send(new SignalRequest({ message: { case: 'ping', value: 1n } }));
    assert.ok((await client.next('pong')).message.value);
    const request = new SignalRequest({ message: { case: 'pingReq', value: new Ping({ timestamp: 5n, rtt: 1n }) } });
    client.socket.send(request.toJsonString());
    const { message } = await client.next('pongResp');
    assert.ok(message.case === 'pongResp');
    assert.equal(message.value.lastPingTimestamp, 5n);
    client.close();
  });

  test('a participant that never negotiated is gone when its socket closes', async () => {
    const room = freshRoom();
    const [alice, bob] = [
      await connect(server.url + v0(await joinToken(room, 'alice'))),
      await connect(server.url + v0(await joinToken(room, 'bob'))),
    ];
    await bob.next('join');
    alice.socket.terminate();
    const deadline = Date.now() + 5_000;
    while ((await server.rooms.listParticipants(room)).length > 1 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.deepEqual(
      (await server.rooms.listParticipants(room)).map((entry) => entry.identity),
      ['bob'],
    );
    bob.close();
  });

  test('the same identity takes over and the former one is told', async () => {
    const room = freshRoom();
    const first = await connect(server.url + v0(await joinToken(room, 'alice')));
    await first.next('join');
    const second = await connect(server.url + v0(await joinToken(room, 'alice')));
    await second.next('join');
    const { message } = await first.next('leave');
    assert.ok(message.case === 'leave');
    assert.equal(message.value.reason, 2);
    assert.equal((await server.rooms.listParticipants(room)).length, 1);
    second.close();
  });
});

describe('hostile messages', () => {
  async function joined(options: { compressed?: boolean } = {}) {
    const client = await connect(server.url + v0(await joinToken(freshRoom(), 'mallory')), options);
    await client.next('join');
    return client;
  }

  test('a frame above 2 MiB closes with 1009', async () => {
    const client = await joined();
    client.socket.send(new Uint8Array(2 * 1024 * 1024 + 1));
    assert.equal(await client.closed, 1009);
  });

  test('a small frame that inflates beyond the limit ends the connection', async () => {
    const client = await joined({ compressed: true });
    client.socket.send(new Uint8Array(64 * 1024 * 1024), { compress: true });
    assert.notEqual(await client.closed, 1009);
  });

  test('garbage, unknown fields and JSON a hundred thousand deep leave others alone', async () => {
    const witness = await joined();
    for (const data of [
      new Uint8Array([0xff, 0xff, 0xff, 0xff]),
      new Uint8Array([0xc2, 0x3e, 0x03, 1, 2, 3]),
      `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      'not json at all',
    ]) {
      const client = await joined();
      client.socket.send(data);
      client.close();
      await client.closed;
    }
    witness.send(new SignalRequest({ message: { case: 'ping', value: 1n } }));
    await witness.next('pong');
    witness.close();
  });

  test('unknown paths are 404 and the root is a probe', async () => {
    assert.equal((await fetch(`${server.httpUrl}/nothing/here`)).status, 404);
    assert.equal((await fetch(`${server.httpUrl}/rtc?access_token=${await joinToken('a', 'b')}`)).status, 404);
    const root = await fetch(server.httpUrl, { method: 'HEAD' });
    assert.equal(root.status, 200);
    assert.equal(await (await fetch(server.httpUrl)).text(), 'OK');
    const call = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
    assert.equal((await fetch(`${server.httpUrl}//twirp/livekit.RoomService/ListRooms`, call)).status, 401);
  });
});
