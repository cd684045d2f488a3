/** Coming back with a new socket (livekit-facts 3.5, 3.12), over bare signal connections. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  DisconnectReason,
  LeaveRequest_Action,
  SignalRequest,
  SyncState,
  TrackInfo,
  TrackPublishedResponse,
} from '@livekit/protocol';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';
import { connect, type SignalClient, v0, v1 } from './support/signal.ts';

let server: TestServer;

before(async () => {
  server = await startServer();
});

after(async () => {
  await server?.stop();
});

async function join(room: string, identity: string): Promise<{ client: SignalClient; sid: string; token: string }> {
  const token = await joinToken(room, identity);
  const client = await connect(server.url + v0(token));
  const { message } = await client.next('join');
  assert.ok(message.case === 'join');
  return { client, sid: message.value.participant?.sid ?? '', token };
}

async function leave(client: SignalClient) {
  const { message } = await client.next('leave');
  assert.ok(message.case === 'leave');
  return message.value;
}

test('a session goes on with a new socket: server, then participants, then room', async () => {
  const room = freshRoom();
  const alice = await join(room, 'alice');
  const bob = await join(room, 'bob');
  const again = await connect(server.url + v0(alice.token, { reconnect: '1', sid: alice.sid }));
  await again.next('refreshToken');
  await again.next('offer');
  assert.equal(await alice.client.closed, 1000);
  const kinds = again.messages.map(({ message }) => message.case);
  assert.deepEqual(kinds.slice(0, 3), ['reconnect', 'update', 'roomUpdate']);
  const { message: first } = await again.next('reconnect');
  assert.ok(first.case === 'reconnect');
  assert.equal(first.value.serverInfo?.protocol, 17);
  const { message: second } = await again.next('update');
  assert.ok(second.case === 'update');
  assert.deepEqual(second.value.participants.map(({ identity, sid }) => [identity, sid]).sort(), [
    ['alice', alice.sid],
    ['bob', bob.sid],
  ]);
  again.close();
  bob.client.close();
});

test('who is not there any more is told to begin anew', async () => {
  const room = freshRoom();
  const token = await joinToken(room, 'nobody');
  const paths: [string, boolean][] = [
    [v0(token, { reconnect: '1', sid: 'PA_gone' }), true],
    [v1(token, { reconnect: true, participantSid: 'PA_gone' }), true],
    [v0(token, { reconnect: '1', sid: 'PA_gone', protocol: '12' }), false],
  ];
  for (const [path, knowsActions] of paths) {
    const client = await connect(server.url + path);
    const { reason, action, canReconnect } = await leave(client);
    if (knowsActions) {
      assert.deepEqual([reason, action], [DisconnectReason.STATE_MISMATCH, LeaveRequest_Action.RECONNECT]);
    } else {
      assert.equal(canReconnect, true);
    }
    assert.equal(await client.closed, 1000);
  }
});

test('a client that believes in tracks nobody knows begins anew', async () => {
  const { client } = await join(freshRoom(), 'alice');
  const believed = new TrackPublishedResponse({ cid: 'x', track: new TrackInfo({ sid: 'TR_unknown' }) });
  const value = new SyncState({ publishTracks: [believed] });
  client.send(new SignalRequest({ message: { case: 'syncState', value } }));
  const { reason, action } = await leave(client);
  assert.deepEqual([reason, action], [DisconnectReason.STATE_MISMATCH, LeaveRequest_Action.RECONNECT]);
  assert.equal(await client.closed, 1000);
});

test('a room that is deleted says so to old and new clients', async () => {
  const room = freshRoom();
  const { client } = await join(room, 'alice');
  const old = await connect(server.url + v0(await joinToken(room, 'old'), { protocol: '9' }));
  await old.next('join');
  await server.rooms.deleteRoom(room);
  const { reason, action } = await leave(client);
  assert.deepEqual([reason, action], [DisconnectReason.ROOM_DELETED, LeaveRequest_Action.DISCONNECT]);
  assert.equal((await leave(old)).canReconnect, false);
  assert.deepEqual(await Promise.all([client.closed, old.closed]), [1000, 1000]);
  const { client: next } = await join(room, 'alice');
  next.close();
});

test('a removed participant is told, and others are told why it left', async () => {
  const room = freshRoom();
  const [alice, bob] = [await join(room, 'alice'), await join(room, 'bob')];
  await server.rooms.removeParticipant(room, 'alice');
  assert.equal((await leave(alice.client)).reason, DisconnectReason.PARTICIPANT_REMOVED);
  for (;;) {
    const { message } = await bob.client.next('update');
    assert.ok(message.case === 'update');
    const left = message.value.participants.find((info) => info.identity === 'alice' && info.disconnectReason > 0);
    if (left === undefined) continue;
    assert.equal(left.disconnectReason, DisconnectReason.PARTICIPANT_REMOVED);
    break;
  }
  bob.client.close();
});
