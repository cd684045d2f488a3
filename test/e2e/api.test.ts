/** The Twirp services as any HTTP client sees them (livekit-facts 5): codes, texts, encodings, defaults. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ListRoomsRequest, ListRoomsResponse } from '@livekit/protocol';
import { AccessToken, AgentDispatchClient, type VideoGrant } from 'livekit-server-sdk';
import { freshRoom, joinToken, KEY, SECRET, startServer, type TestServer } from './support/server.ts';
import { connect, v0 } from './support/signal.ts';

let server: TestServer;

before(async () => {
  server = await startServer({ room: { empty_timeout: 3, departure_timeout: 2 } });
});

after(async () => {
  await server?.stop();
});

interface Answer {
  status: number;
  json: Record<string, unknown>;
}

async function call(method: string, body: object | string, grant?: VideoGrant, type = 'application/json') {
  const headers: Record<string, string> = { 'content-type': type };
  if (grant !== undefined) {
    const token = new AccessToken(KEY, SECRET, { ttl: '1m' });
    token.addGrant(grant);
    headers.authorization = `Bearer ${await token.toJwt()}`;
  }
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(`${server.httpUrl}/twirp/livekit.${method}`, { method: 'POST', headers, body: text });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> } satisfies Answer;
}

const admin = (room: string): VideoGrant => ({ roomAdmin: true, room, roomCreate: true, roomList: true });

/** Polls until nothing of this name is listed. */
async function untilGone(name: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while ((await server.rooms.listRooms([name])).length > 0) {
    assert.ok(Date.now() < deadline, `${name} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('Twirp', () => {
  test('JSON answers have the names of the protocol and all fields', async () => {
    const name = freshRoom();
    const { status, json } = await call('RoomService/CreateRoom', { name, maxParticipants: 3 }, { roomCreate: true });
    assert.equal(status, 200);
    assert.equal(json.name, name);
    assert.equal(json.max_participants, 3);
    assert.equal(json.num_participants, 0);
    assert.equal(json.active_recording, false);
    assert.equal(json.version, null);
    assert.equal(typeof json.creation_time, 'string');
    assert.equal(String(json.creation_time_ms).length, 13);
    assert.ok(String(json.turn_password).length > 40);
    const codecs = json.enabled_codecs as { mime: string }[];
    assert.ok(codecs.some(({ mime }) => mime.toLowerCase() === 'video/vp8'));
    assert.ok(codecs.some(({ mime }) => mime.toLowerCase() === 'video/rtx'));
  });

  test('protobuf is answered in protobuf', async () => {
    const name = freshRoom();
    await server.rooms.createRoom({ name });
    const token = new AccessToken(KEY, SECRET, { ttl: '1m' });
    token.addGrant({ roomList: true });
    const answer = await fetch(`${server.httpUrl}/twirp/livekit.RoomService/ListRooms`, {
      method: 'POST',
      headers: { 'content-type': 'application/protobuf', authorization: `Bearer ${await token.toJwt()}` },
      body: Buffer.from(new ListRoomsRequest({ names: [name] }).toBinary()),
    });
    assert.equal(answer.headers.get('content-type'), 'application/protobuf');
    const { rooms } = ListRoomsResponse.fromBinary(new Uint8Array(await answer.arrayBuffer()));
    assert.deepEqual(
      rooms.map((room) => room.name),
      [name],
    );
  });

  test('bad routes, bad bodies and missing grants have codes of their own', async () => {
    const list: VideoGrant = { roomList: true };
    const cases: [number, string, Answer][] = [
      [401, 'unauthenticated', await call('RoomService/ListRooms', {})],
      [401, 'unauthenticated', await call('RoomService/ListRooms', {}, { roomCreate: true })],
      [404, 'bad_route', await call('RoomService/Nothing', {}, list)],
      [404, 'bad_route', await call('RoomService/ListRooms/more', {}, list)],
      [404, 'bad_route', await call('RoomService/ListRooms', {}, list, 'text/plain')],
      [400, 'malformed', await call('RoomService/ListRooms', '{', list)],
    ];
    for (const [status, code, answer] of cases) {
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
    }
    assert.equal((await call('RoomService/ListRooms', '{"unknown":1}', list)).status, 200);
  });

  test('calls that move a participant are checked before they are refused', async () => {
    const room = freshRoom();
    const request = { room, identity: 'x', destinationRoom: room };
    const { status, json } = await call('RoomService/MoveParticipant', request, {
      ...admin(room),
      destinationRoom: room,
    });
    assert.deepEqual([status, json.code], [400, 'invalid_argument']);
    assert.equal((await call('RoomService/MoveParticipant', request, admin(room))).status, 401);
  });
});

describe('rooms', () => {
  test('a room that nobody joins ends after its empty timeout', async () => {
    const [short, long] = [freshRoom(), freshRoom()];
    await server.rooms.createRoom({ name: short });
    await server.rooms.createRoom({ name: long, emptyTimeout: 60 });
    await untilGone(short);
    assert.equal((await server.rooms.listRooms([long])).length, 1);
  });

  test('a room that everybody left ends after its departure timeout', async () => {
    const name = freshRoom();
    const client = await connect(server.url + v0(await joinToken(name, 'alice')));
    const { message } = await client.next('join');
    assert.ok(message.case === 'join');
    assert.deepEqual([message.value.room?.emptyTimeout, message.value.room?.departureTimeout], [3, 2]);
    client.close();
    await untilGone(name);
  });
});

describe('agent dispatches', () => {
  test('are created with their room, listed and deleted', async () => {
    const name = freshRoom();
    const dispatches = new AgentDispatchClient(server.httpUrl, KEY, SECRET);
    const created = await dispatches.createDispatch(name, 'helper', { metadata: 'm' });
    assert.match(created.id, /^AD_/);
    assert.deepEqual([created.agentName, created.metadata, created.room], ['helper', 'm', name]);
    assert.ok(created.state !== undefined && created.state.createdAt > 0n);
    assert.equal((await server.rooms.listRooms([name])).length, 1);
    assert.equal((await dispatches.getDispatch(created.id, name))?.id, created.id);
    await dispatches.deleteDispatch(created.id, name);
    assert.equal(await dispatches.getDispatch(created.id, name), undefined);
    await assert.rejects(dispatches.deleteDispatch(created.id, name), { code: 'not_found' });
  });
});
