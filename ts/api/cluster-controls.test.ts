/** The API of one node about rooms of another, one bus between them. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  CreateAgentDispatchRequest,
  CreateRoomRequest,
  DeleteAgentDispatchRequest,
  DeleteRoomRequest,
  LeaveRequest,
  MuteRoomTrackRequest,
  PerformRpcRequest,
  RoomParticipantIdentity,
  SendDataRequest,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateSubscriptionsRequest,
} from '@livekit/protocol';
import { pino } from 'pino';
import type { Identity, NodeId, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { RpcClient } from '../psrpc/client.ts';
import { LocalBus } from '../psrpc/local-bus.ts';
import { RpcServer } from '../psrpc/server.ts';
import { LiveRooms } from '../room/hosted-rooms.ts';
import { Scene } from '../room/testing/scene.ts';
import { ControlServer } from './control-server.ts';
import { LocalFirstDirectory } from './local-first-directory.ts';
import { RemoteControls } from './remote-controls.ts';
import { RoutedControls } from './routed-controls.ts';
import type { RoomDirectory } from './types.ts';

const HOST = 'ND_host' as NodeId;
const ROOM = 'room' as RoomName;
const SETTINGS = { createRoomTimeoutMs: 1000, createRoomAttempts: 1 };
const log = pino({ enabled: false });

/** The host of rooms, and what another node has of it. */
async function twoNodes(t: TestContext) {
  const bus = new LocalBus();
  const server = new RpcServer(bus, { id: HOST, log });
  const client = new RpcClient(bus, { id: 'ND_asking', log, timeoutMs: 200, maxAttempts: 1 });
  const scene: Scene = new Scene({}, undefined, {
    roomOpened: (room) => controlServer.roomOpened(room),
    roomClosed: (room) => controlServer.roomClosed(room),
    participantJoined: (room, identity) => controlServer.participantJoined(room, identity),
    participantLeft: (room, identity) => controlServer.participantLeft(room, identity),
  });
  const hosted = new LiveRooms(scene.rooms);
  const controlServer = new ControlServer({
    self: HOST,
    server,
    controls: scene.control,
    hosted,
    onError: (error) => assert.fail(String(error)),
  });
  await controlServer.start();
  const remote = new RemoteControls(client, HOST, SETTINGS);
  const controls = new RoutedControls({
    find: async () => remote,
    here: () => undefined,
    elsewhere: remote,
  });
  t.after(async () => {
    await scene.close();
    await client.close();
    await server.close();
  });
  return { scene, hosted, controls, remote };
}

const who = { room: 'room', identity: 'alice' };

test('a room is made on the node that is asked, and can be asked about at once', async (t) => {
  const { scene, controls } = await twoNodes(t);
  const room = await controls.createRoom(new CreateRoomRequest({ name: 'room', metadata: 'm', nodeId: HOST }));
  assert.deepEqual([room.name, room.metadata], ['room', 'm']);
  const updated = await controls.updateRoomMetadata(new UpdateRoomMetadataRequest({ room: 'room', metadata: 'n' }));
  assert.equal(updated.metadata, 'n');
  assert.equal(scene.rooms.get(ROOM)?.snapshot().metadata, 'n');
});

test('participants of another node are listed, changed, muted and removed', async (t) => {
  const { scene, controls, remote } = await twoNodes(t);
  const alice = await scene.active('alice');
  const trackSid = await scene.publishMicrophone(alice);
  assert.deepEqual(
    (await remote.listParticipants(ROOM)).map(({ identity }) => identity),
    ['alice'],
  );
  assert.equal((await remote.getParticipant(ROOM, 'alice' as Identity)).identity, 'alice');
  await assert.rejects(remote.getParticipant(ROOM, 'bob' as Identity), {
    code: 'not_found',
    message: 'participant does not exist',
  });
  const updated = await controls.updateParticipant(new UpdateParticipantRequest({ ...who, metadata: 'new' }));
  assert.equal(updated.metadata, 'new');
  const muted = await controls.mutePublishedTrack(new MuteRoomTrackRequest({ ...who, trackSid, muted: true }));
  assert.equal(muted.track?.muted, true);
  await controls.updateSubscriptions(new UpdateSubscriptionsRequest({ ...who, trackSids: [], subscribe: true }));
  await controls.sendData(new SendDataRequest({ room: 'room', data: new Uint8Array([1]) }));
  await controls.removeParticipant(new RoomParticipantIdentity(who));
  assert.deepEqual(await remote.listParticipants(ROOM), []);
});

test('errors of the host keep their code and text', async (t) => {
  const { scene, controls } = await twoNodes(t);
  await scene.active('alice');
  await assert.rejects(
    controls.mutePublishedTrack(new MuteRoomTrackRequest({ ...who, trackSid: 'TR_none', muted: true })),
    { code: 'not_found', message: 'track is not found' },
  );
  const early = await scene.join('bob');
  assert.ok(early.sid);
  await assert.rejects(
    controls.performRpc(new PerformRpcRequest({ room: 'room', destinationIdentity: 'bob', method: 'm' })),
    { code: 'internal', message: 'data channel is not available' },
  );
});

test('who comes again under the same identity can be asked about still', async (t) => {
  const { scene, controls } = await twoNodes(t);
  await scene.active('alice');
  await scene.active('alice');
  const updated = await controls.updateParticipant(new UpdateParticipantRequest({ ...who, name: 'Alice' }));
  assert.equal(updated.name, 'Alice');
});

test('nobody answers for a participant who left, or for a room that ended', async (t) => {
  const { scene, controls, remote } = await twoNodes(t);
  const alice = await scene.active('alice');
  alice.session.participant.leave(new LeaveRequest());
  const unavailable = { code: 'unavailable', message: 'no response from servers' };
  await assert.rejects(controls.removeParticipant(new RoomParticipantIdentity(who)), unavailable);
  await controls.deleteRoom(new DeleteRoomRequest({ room: 'room' }));
  assert.equal(scene.rooms.get(ROOM), undefined);
  await assert.rejects(remote.listParticipants(ROOM), unavailable);
});

test('a room that nobody joined is deleted', async (t) => {
  const { scene, controls } = await twoNodes(t);
  await scene.control.createRoom(new CreateRoomRequest({ name: 'room' }));
  await controls.deleteRoom(new DeleteRoomRequest({ room: 'room' }));
  assert.equal(await scene.store.rooms.load(ROOM), undefined);
});

test('dispatches of a room on another node are made, listed and deleted', async (t) => {
  const { controls } = await twoNodes(t);
  const made = await controls.createDispatch(new CreateAgentDispatchRequest({ room: 'room', agentName: 'helper' }));
  assert.equal(made.agentName, 'helper');
  assert.ok((await controls.listDispatches(ROOM)).some(({ id }) => id === made.id));
  await controls.deleteDispatch(new DeleteAgentDispatchRequest({ room: 'room', dispatchId: made.id }));
  assert.ok((await controls.listDispatches(ROOM)).every(({ id }) => id !== made.id));
});

test('rooms that are hosted here are known while the store is away', async (t) => {
  const { scene, hosted } = await twoNodes(t);
  await scene.active('alice');
  const away = async (): Promise<never> => {
    throw new RpcError('unavailable', 'redis is not available');
  };
  const store: RoomDirectory = { listRooms: away, listParticipants: away, loadParticipant: away };
  const directory = new LocalFirstDirectory(hosted, store);
  assert.deepEqual(
    (await directory.listRooms([ROOM, ROOM])).map(({ name }) => name),
    ['room'],
  );
  assert.deepEqual(
    (await directory.listParticipants(ROOM)).map(({ identity }) => identity),
    ['alice'],
  );
  assert.equal((await directory.loadParticipant(ROOM, 'alice' as Identity))?.identity, 'alice');
  assert.equal(await directory.loadParticipant(ROOM, 'bob' as Identity), undefined);
  const unavailable = { code: 'unavailable' };
  await assert.rejects(directory.listRooms(undefined), unavailable);
  await assert.rejects(directory.listRooms([ROOM, 'elsewhere' as RoomName]), unavailable);
  await assert.rejects(directory.listParticipants('elsewhere' as RoomName), unavailable);
});
