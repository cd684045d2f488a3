import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateAgentDispatchRequest,
  CreateRoomRequest,
  DataPacket,
  DeleteAgentDispatchRequest,
  DeleteRoomRequest,
  DisconnectReason,
  MuteRoomTrackRequest,
  PerformRpcRequest,
  RequestResponse_Reason as Reason,
  RoomConfiguration,
  RoomParticipantIdentity,
  RpcAck,
  RpcError as RpcErrorMessage,
  RpcResponse,
  SendDataRequest,
  UpdateParticipantMetadata,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
} from '@livekit/protocol';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { Scene } from './testing/scene.ts';

const ROOM = 'room' as RoomName;
const rejectsWith = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof RpcError && error.code === code && text.test(error.message);

test('an explicit request updates a room with what is not empty', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const room = await scene.control.createRoom(
    new CreateRoomRequest({ name: 'room', metadata: 'new', emptyTimeout: 9 }),
  );
  assert.deepEqual([room.metadata, room.emptyTimeout, room.departureTimeout], ['new', 9, 20]);
  assert.equal(room.sid, alice.sink.last('join').room?.sid);
  assert.equal(alice.sink.last('roomUpdate').room?.metadata, 'new');
  await scene.close();
});

test('presets fill what a request leaves empty, and unknown ones are refused', async () => {
  const presets = new Map([['big', new RoomConfiguration({ maxParticipants: 500, metadata: 'preset' })]]);
  const scene = new Scene({ presets });
  const request = new CreateRoomRequest({ name: 'room', roomPreset: 'big', metadata: 'own' });
  const room = await scene.control.createRoom(request);
  assert.deepEqual([room.maxParticipants, room.metadata], [500, 'own']);
  await assert.rejects(
    scene.control.createRoom(new CreateRoomRequest({ name: 'other', roomPreset: 'no' })),
    rejectsWith('invalid_argument', /unknown room configuration/),
  );
  await scene.close();
});

test('deleting a room sends everybody away, and the name can be used again', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  await scene.control.deleteRoom(new DeleteRoomRequest({ room: 'room' }));
  assert.equal(alice.sink.last('leave').reason, DisconnectReason.ROOM_DELETED);
  assert.equal(scene.store.roomEntries.size, 0);
  const again = await scene.join('alice');
  assert.notEqual(again.sink.last('join').room?.sid, alice.sink.last('join').room?.sid);
  await scene.close();
});

test('a removed participant is gone from the store at once', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  await scene.control.removeParticipant(new RoomParticipantIdentity({ room: 'room', identity: 'alice' }));
  assert.equal(alice.sink.last('leave').reason, DisconnectReason.PARTICIPANT_REMOVED);
  assert.deepEqual(await scene.store.participants.list(ROOM), []);
  await assert.rejects(
    scene.control.removeParticipant(new RoomParticipantIdentity({ room: 'room', identity: 'alice' })),
    rejectsWith('not_found', /participant does not exist/),
  );
  await scene.close();
});

test('the API mutes a track by telling its publisher, and unmutes only where that is allowed', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const trackSid = await scene.publishMicrophone(alice);
  const request = { room: 'room', identity: 'alice', trackSid };
  const response = await scene.control.mutePublishedTrack(new MuteRoomTrackRequest({ ...request, muted: true }));
  assert.equal(response.track?.muted, true);
  assert.equal(alice.sink.last('mute').muted, true);
  const stored = await scene.store.participants.load(ROOM, 'alice' as Identity);
  assert.equal(stored?.tracks[0]?.muted, true);
  await assert.rejects(
    scene.control.mutePublishedTrack(new MuteRoomTrackRequest(request)),
    rejectsWith('failed_precondition', /remote unmute not enabled/),
  );
  await assert.rejects(
    scene.control.mutePublishedTrack(new MuteRoomTrackRequest({ ...request, trackSid: 'TR_x', muted: true })),
    rejectsWith('not_found', /track is not found/),
  );
  await scene.close();
});

test('attributes are merged and empty values remove keys', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const update = (attributes: Record<string, string>) =>
    scene.control.updateParticipant(new UpdateParticipantRequest({ room: 'room', identity: 'alice', attributes }));
  await update({ a: '1', b: '2' });
  const info = await update({ a: '', c: '3' });
  assert.deepEqual(info.attributes, { b: '2', c: '3' });
  assert.deepEqual(alice.sink.last('update').participants[0]?.attributes, { b: '2', c: '3' });
  await scene.close();
});

test('participants update themselves only where their token allows, within limits', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const trusted = await scene.active('trusted', { grant: { canUpdateOwnMetadata: true } });
  alice.session.participant.updateMetadata(new UpdateParticipantMetadata({ name: 'A', requestId: 5 }));
  const refused = alice.sink.last('requestResponse');
  assert.deepEqual(
    [refused.requestId, refused.reason, refused.request.case],
    [5, Reason.NOT_ALLOWED, 'updateMetadata'],
  );

  trusted.session.participant.updateMetadata(new UpdateParticipantMetadata({ name: 'x'.repeat(257), requestId: 6 }));
  assert.equal(trusted.sink.last('requestResponse').reason, Reason.LIMIT_EXCEEDED);
  assert.equal(trusted.sink.last('requestResponse').message, 'exceeds name length limit');
  trusted.session.participant.updateMetadata(new UpdateParticipantMetadata({ name: 'T', requestId: 7 }));
  assert.equal(trusted.sink.last('requestResponse').reason, Reason.OK);
  assert.equal(alice.sink.last('update').participants[0]?.name, 'T');
  await scene.close();
});

test('room metadata reaches everybody and the store, also of a room that nobody joined', async () => {
  const scene = new Scene();
  await scene.control.createRoom(new CreateRoomRequest({ name: 'room' }));
  const room = await scene.control.updateRoomMetadata(new UpdateRoomMetadataRequest({ room: 'room', metadata: 'm' }));
  assert.equal(room.metadata, 'm');
  assert.equal(scene.store.roomEntries.get(ROOM)?.room.metadata, 'm');
  await assert.rejects(
    scene.control.updateRoomMetadata(new UpdateRoomMetadataRequest({ room: 'none', metadata: 'm' })),
    rejectsWith('not_found', /requested room does not exist/),
  );
  await scene.close();
});

test('participants and their workers are known to the media plane', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice', { grant: { hidden: true, canPublishData: false } });
  const [participant] = scene.engine.sent('setParticipant');
  assert.deepEqual(
    [participant?.identity, participant?.sid, participant?.hidden, participant?.canPublishData],
    ['alice', alice.sid, true, false],
  );
  assert.deepEqual(scene.engine.sent('setRoomWorkers').at(-1)?.workers, [0]);
  await scene.close();
  assert.equal(scene.engine.sent('closeParticipant').length, 1);
  assert.deepEqual(scene.engine.sent('setRoomWorkers').at(-1)?.workers, []);
});

test('data of the API goes to the named, once per nonce', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const nonce = new Uint8Array(16).fill(7);
  const request = new SendDataRequest({
    room: 'room',
    data: new Uint8Array([1]),
    destinationSids: [alice.sid],
    topic: 't',
    nonce,
  });
  await scene.control.sendData(request);
  await scene.control.sendData(request);
  const sent = scene.engine.sent('sendData');
  assert.equal(sent.length, 1);
  assert.deepEqual(sent[0]?.destinations, ['alice']);
  const packet = DataPacket.fromBinary(Buffer.from(sent[0]?.packet ?? '', 'base64'));
  assert.equal(packet.value.case === 'user' && packet.value.value.topic, 't');
  await scene.close();
});

/** Calls a method of alice and gives what the media plane was told of it. */
async function call(scene: Scene): Promise<{ id: string; result: Promise<string> }> {
  const request = new PerformRpcRequest({ room: 'room', destinationIdentity: 'alice', method: 'm', payload: 'p' });
  const result = scene.control.performRpc(request).then(({ payload }) => payload);
  result.catch(() => {});
  await scene.clock.advance(0);
  const sent = scene.engine.sent('sendData').at(-1);
  const packet = DataPacket.fromBinary(Buffer.from(sent?.packet ?? '', 'base64'));
  assert.equal(packet.value.case, 'rpcRequest');
  const id = packet.participantIdentity;
  assert.deepEqual(scene.engine.sent('setDataSinks').at(-1)?.identities, [id]);
  return { id, result };
}

function answer(scene: Scene, sink: string, value: DataPacket['value']): void {
  const packet = Buffer.from(new DataPacket({ value }).toBinary()).toString('base64');
  for (const [room, handler] of scene.engine.roomData) {
    handler({ type: 'data', room, participant: 1 as never, sink, packet });
  }
}

test('a call of a client’s method resolves with its response', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const { id, result } = await call(scene);
  answer(scene, id, { case: 'rpcAck', value: new RpcAck({ requestId: id }) });
  await scene.clock.advance(5000);
  const response = new RpcResponse({ requestId: id, value: { case: 'payload', value: 'done' } });
  answer(scene, id, { case: 'rpcResponse', value: response });
  assert.equal(await result, 'done');
  assert.deepEqual(scene.engine.sent('setDataSinks').at(-1)?.identities, []);
  await scene.close();
});

test('a call fails without an acknowledgement in two seconds, or a response in ten', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const unheard = await call(scene);
  await scene.clock.advance(2000);
  await assert.rejects(unheard.result, rejectsWith('canceled', /1501/));
  const slow = await call(scene);
  answer(scene, slow.id, { case: 'rpcAck', value: new RpcAck({ requestId: slow.id }) });
  await scene.clock.advance(10_000);
  await assert.rejects(slow.result, rejectsWith('canceled', /1502/));
  await scene.close();
});

test('errors of the client, its leave and payloads too large have codes of their own', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const failing = await call(scene);
  const error = new RpcErrorMessage({ code: 1400, message: 'Method not supported at destination' });
  const response = new RpcResponse({ requestId: failing.id, value: { case: 'error', value: error } });
  answer(scene, failing.id, { case: 'rpcResponse', value: response });
  await assert.rejects(failing.result, rejectsWith('invalid_argument', /1400/));

  const left = await call(scene);
  alice.session.participant.leave({ reason: DisconnectReason.CLIENT_INITIATED } as never);
  await assert.rejects(left.result, rejectsWith('unavailable', /1503/));

  await scene.active('alice');
  const payload = 'x'.repeat(15 * 1024 + 1);
  await assert.rejects(
    scene.control.performRpc(new PerformRpcRequest({ room: 'room', destinationIdentity: 'alice', payload })),
    rejectsWith('malformed_request', /1402/),
  );
  await scene.close();
});

test('a room that nobody configured has one dispatch without a name', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const dispatches = await scene.control.listDispatches(ROOM);
  assert.deepEqual(
    dispatches.map(({ agentName, room }) => [agentName, room]),
    [['', 'room']],
  );
  await scene.close();
});

test('dispatches are added to a room, which is created for them, and taken back by their id', async () => {
  const scene = new Scene();
  const request = new CreateAgentDispatchRequest({ room: 'room', agentName: 'helper', metadata: 'm' });
  const created = await scene.control.createDispatch(request);
  assert.match(created.id, /^AD_/);
  const names = async () => (await scene.control.listDispatches(ROOM)).map(({ agentName }) => agentName);
  assert.deepEqual(await names(), ['', 'helper']);
  const deletion = new DeleteAgentDispatchRequest({ room: 'room', dispatchId: created.id });
  assert.equal((await scene.control.deleteDispatch(deletion)).agentName, 'helper');
  assert.deepEqual(await names(), ['']);
  await assert.rejects(scene.control.deleteDispatch(deletion), rejectsWith('not_found', /dispatch ID not found/));
  await scene.close();
});

test('a participant whose transports do not stand yet can not be called', async () => {
  const scene = new Scene();
  await scene.join('alice');
  await assert.rejects(
    scene.control.performRpc(new PerformRpcRequest({ room: 'room', destinationIdentity: 'alice', method: 'm' })),
    rejectsWith('internal', /data channel is not available/),
  );
  await scene.close();
});

test('a recorder turns active_recording on and off', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const recorder = await scene.active('recorder', { grant: { recorder: true, hidden: true } });
  assert.equal(alice.sink.last('roomUpdate').room?.activeRecording, true);
  assert.equal(alice.sink.last('roomUpdate').room?.numParticipants, 1);
  recorder.session.participant.leave({ reason: DisconnectReason.CLIENT_INITIATED } as never);
  assert.equal(alice.sink.last('roomUpdate').room?.activeRecording, false);
  await scene.close();
});
