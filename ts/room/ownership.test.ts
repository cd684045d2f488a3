import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CreateRoomRequest, DisconnectReason, LeaveRequest_Action, ParticipantInfo } from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import { Scene } from './testing/scene.ts';

const ROOM = 'room' as RoomName;

test('a room that is handed over keeps its record, and everybody is told to come back', async () => {
  const scene = new Scene();
  const alice = await scene.join('alice');
  await scene.rooms.handOver(ROOM);
  const leave = alice.sink.last('leave');
  assert.deepEqual([leave?.action, leave?.reason], [LeaveRequest_Action.RECONNECT, DisconnectReason.MIGRATION]);
  assert.equal(scene.rooms.get(ROOM), undefined);
  assert.ok(scene.store.roomEntries.has(ROOM), 'for whoever hosts it next');
});

test('a room that another node took is not written about', async () => {
  const scene = new Scene();
  const alice = await scene.join('alice');
  const entries = scene.store.participantEntries.get(ROOM);
  await scene.rooms.lost(ROOM);
  assert.equal(alice.sink.last('leave')?.action, LeaveRequest_Action.RECONNECT);
  assert.deepEqual([scene.store.roomEntries.has(ROOM), entries?.size], [true, 1]);
});

test('an emptied store gets everything anew', async () => {
  const scene = new Scene();
  await scene.join('alice');
  scene.store.roomEntries.clear();
  scene.store.participantEntries.clear();
  scene.rooms.republish(ROOM);
  await scene.rooms.get(ROOM)?.persisted();
  assert.deepEqual([...(scene.store.participantEntries.get(ROOM)?.keys() ?? [])], ['alice']);
  assert.ok(scene.store.roomEntries.has(ROOM));
});

test('a draining node takes no new rooms, and keeps those it has', async () => {
  const scene = new Scene();
  await scene.join('alice');
  scene.rooms.acceptNew(false);
  await assert.rejects(scene.rooms.create(new CreateRoomRequest({ name: 'other' })), { code: 'unavailable' });
  await scene.join('bob');
  assert.equal(scene.rooms.get(ROOM)?.members.size, 2);
  scene.rooms.giveUpEmpty();
  assert.equal(scene.rooms.isHosted(ROOM), true);
});

test('participants of the node that had the room before are forgotten', async () => {
  const scene = new Scene();
  await scene.rooms.create(new CreateRoomRequest({ name: ROOM }));
  await scene.rooms.handOver(ROOM);
  await scene.store.participants.store(ROOM, new ParticipantInfo({ identity: 'ghost' }));
  await scene.join('alice');
  await scene.rooms.get(ROOM)?.persisted();
  assert.deepEqual([...(scene.store.participantEntries.get(ROOM)?.keys() ?? [])], ['alice']);
});
