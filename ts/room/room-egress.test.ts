import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AutoParticipantEgress,
  AutoTrackEgress,
  CreateRoomRequest,
  EgressStatus,
  EncodedFileOutput,
  EncodingOptionsPreset,
  ParticipantInfo_Kind,
  RoomCompositeEgressRequest,
  RoomEgress,
  S3Upload,
} from '@livekit/protocol';
import { RpcError } from '../lib/rpc-error.ts';
import { Scene } from './testing/scene.ts';
import { settle } from './testing/virtual-clock.ts';

const composite = new RoomCompositeEgressRequest({ roomName: 'not this one', layout: 'grid' });
const recorded = (egress: Partial<RoomEgress>) =>
  new CreateRoomRequest({ name: 'room', egress: new RoomEgress(egress) });

test('a room that is created with an egress is recorded, once', async () => {
  const scene = new Scene();
  const room = await scene.rooms.create(recorded({ room: composite }));
  await scene.rooms.create(recorded({ room: composite }));
  const [started, ...more] = scene.egress.started;
  assert.deepEqual(more, []);
  assert.equal(started?.roomId, room.sid);
  assert.equal(started?.request.case, 'roomComposite');
  assert.equal(started?.request.value?.roomName, 'room');
  await scene.close();
});

test('where no worker takes it, creation fails and may be tried again', async () => {
  const scene = new Scene();
  scene.egress.fault = new RpcError('unavailable', 'no response from servers');
  await assert.rejects(scene.rooms.create(recorded({ room: composite })), { code: 'unavailable' });
  assert.equal(scene.store.roomEntries.size, 0);
  scene.egress.fault = undefined;
  await scene.rooms.create(recorded({ room: composite }));
  assert.equal(scene.egress.started.length, 1);
  assert.deepEqual(scene.egress.failures, []);
  await scene.close();
});

test('who creates the room again while it is recorded hears the same of it', async () => {
  const scene = new Scene();
  scene.egress.fault = new RpcError('unavailable', 'no response from servers');
  const both = [recorded({ room: composite }), new CreateRoomRequest({ name: 'room' })];
  const outcomes = await Promise.allSettled(both.map((request) => scene.rooms.create(request)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  await scene.close();
});

test('who joins with an egress in the token gets in though it cannot start, and that is told', async () => {
  const scene = new Scene();
  scene.egress.fault = new RpcError('unavailable', 'no response from servers');
  const alice = await scene.active('alice', { createRoom: recorded({ room: composite }) });
  await scene.active('bob', { createRoom: recorded({ room: composite }) });
  assert.ok(alice.sink.kinds.includes('join'));
  const [failure, ...more] = scene.egress.failures;
  assert.deepEqual(more, []);
  assert.equal(failure?.status, EgressStatus.EGRESS_FAILED);
  assert.equal(failure?.error, 'no response from servers');
  assert.equal(failure?.request.case, 'roomComposite');
  await scene.close();
});

test('participants are recorded from their first track on, and again when they come back', async () => {
  const scene = new Scene();
  const participant = new AutoParticipantEgress({
    options: { case: 'preset', value: EncodingOptionsPreset.H264_1080P_30 },
    fileOutputs: [new EncodedFileOutput({ filepath: 'a.mp4' })],
  });
  const createRoom = recorded({ participant });
  const alice = await scene.active('alice', { createRoom });
  assert.equal(scene.egress.started.length, 0);
  await scene.publishMicrophone(alice);
  await scene.publishCamera(alice);
  assert.equal(scene.egress.started.length, 1);
  const [started] = scene.egress.started;
  const request = started?.request.case === 'participant' ? started.request.value : undefined;
  assert.deepEqual([request?.roomName, request?.identity], ['room', 'alice']);
  assert.equal(request?.options.value, EncodingOptionsPreset.H264_1080P_30);
  assert.equal(request?.fileOutputs[0]?.filepath, 'a.mp4');

  const again = await scene.active('alice');
  await scene.publishMicrophone(again);
  assert.equal(scene.egress.started.length, 2);
  await scene.close();
});

test('each track is recorded, to a file of its own, but not what an egress publishes', async () => {
  const scene = new Scene();
  const upload = new S3Upload({ bucket: 'b', secret: 's' });
  const tracks = new AutoTrackEgress({ filepath: 'v1.0/track.mp4', output: { case: 's3', value: upload } });
  const alice = await scene.active('alice', { createRoom: recorded({ tracks }) });
  const recorder = await scene.active('EG_1', { kind: ParticipantInfo_Kind.EGRESS });
  const sids = [await scene.publishMicrophone(alice), await scene.publishCamera(alice)];
  await scene.publishMicrophone(recorder);
  await settle();
  const requests = scene.egress.started.map(({ request }) => (request.case === 'track' ? request.value : undefined));
  assert.deepEqual(
    requests.map((request) => request?.trackId),
    sids,
  );
  const file = requests[0]?.output.case === 'file' ? requests[0].output.value : undefined;
  assert.equal(file?.filepath, 'v1.0/track-{track_id}.mp4');
  assert.equal(file?.output.value, upload);
  await scene.close();
});

test('files in folders, and names with the track in them, stay as they are', async () => {
  for (const [filepath, expected] of [
    ['folder/', 'folder/'],
    ['', ''],
    ['a-{track_id}.ogg', 'a-{track_id}.ogg'],
    ['name', 'name-{track_id}'],
  ]) {
    const scene = new Scene();
    const createRoom = recorded({ tracks: new AutoTrackEgress({ filepath: filepath ?? '' }) });
    await scene.publishMicrophone(await scene.active('alice', { createRoom }));
    const [started] = scene.egress.started;
    const file = started?.request.case === 'track' ? started.request.value.output.value : undefined;
    assert.equal(typeof file === 'object' ? file.filepath : undefined, expected);
    await scene.close();
  }
});
