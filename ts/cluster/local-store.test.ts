import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParticipantInfo, Room } from '@livekit/protocol';
import type { Identity, NodeId, RoomName } from '../lib/ids.ts';
import { LocalStore } from './local-store.ts';
import type { ClusterNode, RoomInternal } from './types.ts';

const name = 'a' as RoomName;
const internal: RoomInternal = {
  participantEgress: undefined,
  trackEgress: undefined,
  agentDispatches: [],
  playoutDelay: undefined,
  syncStreams: false,
};

test('what a caller changes later is not stored', async () => {
  const { rooms } = new LocalStore();
  const room = new Room({ name, metadata: 'first' });
  await rooms.store(room, internal);
  room.metadata = 'changed';
  const loaded = await rooms.load(name);
  assert.equal(loaded?.room.metadata, 'first');
  assert.ok(loaded !== undefined);
  loaded.room.metadata = 'changed';
  assert.equal((await rooms.load(name))?.room.metadata, 'first');
});

test('listing by names gives those that exist, once', async () => {
  const { rooms } = new LocalStore();
  await rooms.store(new Room({ name }), internal);
  assert.equal((await rooms.list()).length, 1);
  assert.equal((await rooms.list([name, name, 'b' as RoomName])).length, 1);
});

test('removing a room removes its participants and its node', async () => {
  const store = new LocalStore();
  const node = { id: 'ND_1' as NodeId } as ClusterNode;
  await store.nodes.register(node);
  await store.nodes.assignRoom(name, node.id);
  await store.rooms.store(new Room({ name }), internal);
  await store.participants.store(name, new ParticipantInfo({ identity: 'x' }));
  assert.equal((await store.nodes.nodeForRoom(name))?.id, node.id);
  await store.rooms.remove(name);
  await store.rooms.remove(name);
  assert.deepEqual(await store.participants.list(name), []);
  assert.equal(await store.nodes.nodeForRoom(name), undefined);
});

test('a lock excludes the next one until it is released', async () => {
  const { rooms } = new LocalStore();
  const order: string[] = [];
  const unlock = await rooms.lock(name);
  const second = rooms.lock(name).then(async (release) => {
    order.push('second');
    await release();
  });
  const other = await rooms.lock('b' as RoomName);
  order.push('first');
  await unlock();
  await unlock();
  await second;
  await other();
  assert.deepEqual(order, ['first', 'second']);
});

test('participants are found by identity', async () => {
  const { participants } = new LocalStore();
  await participants.store(name, new ParticipantInfo({ identity: 'x', name: 'X' }));
  assert.equal((await participants.load(name, 'x' as Identity))?.name, 'X');
  await participants.remove(name, 'x' as Identity);
  assert.equal(await participants.load(name, 'x' as Identity), undefined);
});
