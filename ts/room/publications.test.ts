import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AddTrackRequest,
  AudioTrackFeature,
  BackupCodecPolicy,
  MuteTrackRequest,
  ParticipantPermission,
  RequestResponse_Reason as Reason,
  SimulcastCodec,
  TrackSource,
  TrackType,
  UpdateLocalAudioTrack,
  UpdateParticipantRequest,
  VideoLayer_Mode,
} from '@livekit/protocol';
import { cameraRequest, Scene } from './testing/scene.ts';

const microphone = (cid: string): AddTrackRequest =>
  new AddTrackRequest({ cid, name: 'mic', type: TrackType.AUDIO, source: TrackSource.MICROPHONE });

test('an announced track gets a sid that tells its kind and source', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.publishing.addTrack(microphone('mic'));
  alice.session.publishing.addTrack(cameraRequest('cam'));

  const [audio, video] = alice.sink.all('trackPublished');
  assert.match(audio?.track?.sid ?? '', /^TR_AM[2-9A-Za-z]{12}$/);
  assert.match(video?.track?.sid ?? '', /^TR_VC[2-9A-Za-z]{12}$/);
  assert.equal(audio?.cid, 'mic');
  assert.equal(audio?.track?.stream, 'camera');
  assert.equal(video?.track?.simulcast, true);
  assert.equal(video?.track?.codecs[0]?.mimeType, 'video/vp8');
  await scene.close();
});

test('what a participant may not publish is refused with the request echoed', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice', { grant: { canPublishSources: [TrackSource.CAMERA] } });
  alice.session.publishing.addTrack(microphone('mic'));
  const { reason, request } = alice.sink.last('requestResponse');
  assert.equal(reason, Reason.NOT_ALLOWED);
  assert.equal(request.case, 'addTrack');

  alice.session.publishing.addTrack(new AddTrackRequest({ type: TrackType.DATA, source: TrackSource.CAMERA }));
  assert.equal(alice.sink.last('requestResponse').reason, Reason.UNSUPPORTED_TYPE);
  alice.session.publishing.addTrack(cameraRequest('cam', { sid: 'TR_unknown' }));
  assert.equal(alice.sink.last('requestResponse').reason, Reason.NOT_FOUND);
  await scene.close();
});

test('at most twenty tracks wait for media', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  for (let i = 0; i < 21; i++) alice.session.publishing.addTrack(microphone(`mic ${i}`));
  assert.equal(alice.sink.all('trackPublished').length, 20);
  assert.equal(alice.sink.last('requestResponse').reason, Reason.LIMIT_EXCEEDED);
  await scene.close();
});

test('a track with the id of a published one waits for its turn', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const first = await scene.publishMicrophone(alice);
  alice.sink.clear();
  alice.session.publishing.addTrack(microphone('mic'));
  assert.equal(alice.sink.last('requestResponse').reason, Reason.QUEUED);
  for (let i = 0; i < 3; i++) alice.session.publishing.addTrack(microphone('mic'));
  assert.equal(alice.sink.last('requestResponse').reason, Reason.LIMIT_EXCEEDED);

  const source = scene.rooms
    .get('room' as never)
    ?.members.get('alice' as never)
    ?.publications.all()[0]?.sections[0];
  assert.ok(source);
  alice.negotiation.host.onUnpublished(source);
  const next = alice.sink.last('trackPublished');
  assert.equal(next.cid, 'mic');
  assert.notEqual(next.track?.sid, first);
  await scene.close();
});

test('a section with an unknown id takes the first announced track of its kind and keeps it', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.publishing.addTrack(cameraRequest('cam'));
  const { match } = alice.negotiation.publish(
    { cid: '{firefox}', kind: 'video', mid: '1', rids: ['f', 'h', 'q'] },
    'vp8',
  );
  assert.equal(match?.trackSid, alice.sink.last('trackPublished').track?.sid);
  assert.equal(match?.preferredCodec, 'vp8');
  const again = alice.negotiation.host.matchPublication({ mid: '1', kind: 'video', trackCid: '{firefox}', rids: [] });
  assert.equal(again?.trackSid, match?.trackSid);
  const none = alice.negotiation.host.matchPublication({ mid: '2', kind: 'audio', trackCid: 'x', rids: [] });
  assert.equal(none, undefined);
  await scene.close();
});

test('a section tells codec, mid and rids of its track', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  await scene.publishCamera(alice);
  const track = bob.sink.last('update').participants[0]?.tracks[0];
  assert.equal(track?.mimeType, 'video/vp8');
  assert.equal(track?.mid, 'mid cam');
  assert.deepEqual(
    track?.codecs[0]?.layers.map(({ rid, spatialLayer }) => [rid, spatialLayer]),
    [
      ['q', 0],
      ['h', 1],
      ['f', 2],
    ],
  );
  await scene.close();
});

test('scalable codecs are announced with all layers in one stream', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.publishing.addTrack(
    cameraRequest('cam', {
      simulcastCodecs: [new SimulcastCodec({ codec: 'vp9', cid: 'cam' }), new SimulcastCodec({ codec: 'vp8' })],
    }),
  );
  const track = alice.sink.last('trackPublished').track;
  assert.equal(track?.codecs[0]?.videoLayerMode, VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM);
  assert.equal(track?.codecs[1]?.videoLayerMode, VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM);
  assert.equal(track?.simulcast, false);
  await scene.close();
});

test('a codec that may not be published is replaced by the first that may', async () => {
  const scene = new Scene({
    enabledCodecs: [
      { mime: 'video/H264', fmtpLine: '' },
      { mime: 'audio/opus', fmtpLine: '' },
    ],
  });
  const alice = await scene.active('alice');
  alice.session.publishing.addTrack(cameraRequest('cam'));
  assert.equal(alice.sink.last('trackPublished').track?.codecs[0]?.mimeType, 'video/h264');
  await scene.close();
});

test('a mute reaches the media plane and everybody else', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishMicrophone(alice);
  alice.session.publishing.mute(new MuteTrackRequest({ sid, muted: true }));
  assert.equal(scene.engine.sent('muteUpTrack').at(-1)?.muted, true);
  assert.equal(bob.sink.last('update').participants[0]?.tracks[0]?.muted, true);
  alice.session.publishing.mute(new MuteTrackRequest({ sid: 'TR_unknown', muted: true }));
  assert.equal(alice.sink.last('requestResponse').reason, Reason.NOT_FOUND);
  await scene.close();
});

test('audio features replace the deprecated flags', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const trackSid = await scene.publishMicrophone(alice);
  const features = [AudioTrackFeature.TF_STEREO, AudioTrackFeature.TF_NO_DTX];
  alice.session.publishing.updateAudioTrack(new UpdateLocalAudioTrack({ trackSid, features }));
  const track = bob.sink.last('update').participants[0]?.tracks[0];
  assert.deepEqual([track?.stereo, track?.disableDtx], [true, true]);
  await scene.close();
});

test('revoking the right to publish ends the tracks and tells the publisher', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishMicrophone(alice);
  const permission = new ParticipantPermission({ canSubscribe: true });
  await scene.control.updateParticipant(new UpdateParticipantRequest({ room: 'room', identity: 'alice', permission }));

  assert.equal(alice.sink.last('trackUnpublished').trackSid, sid);
  assert.equal(bob.sink.last('update').participants[0]?.tracks.length, 0);
  assert.equal(bob.negotiation.subscription(sid), undefined);
  assert.equal(scene.tokens.at(-1)?.video?.canPublishData, false);
  assert.equal(scene.engine.sent('setParticipant').at(-1)?.canPublishData, false);
  await scene.close();
});

test('with a backup codec in a small room everybody falls back to it', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishCamera(alice, 'cam', {
    simulcastCodecs: [new SimulcastCodec({ codec: 'vp8', cid: 'cam' }), new SimulcastCodec({ codec: 'h264' })],
    backupCodecPolicy: BackupCodecPolicy.PREFER_REGRESSION,
  });
  bob.negotiation.host.onSubscriptionUnsupported(sid);
  const wanted = alice.sink.last('subscribedQualityUpdate').subscribedCodecs;
  assert.deepEqual(
    wanted.map(({ codec, qualities }) => [codec, qualities.some(({ enabled }) => enabled)]),
    [['h264', true]],
  );

  alice.session.publishing.addTrack(
    new AddTrackRequest({
      cid: 'cam2',
      sid,
      type: TrackType.VIDEO,
      source: TrackSource.CAMERA,
      simulcastCodecs: [new SimulcastCodec({ codec: 'h264', cid: 'cam2' })],
    }),
  );
  const { match } = alice.negotiation.publish({ cid: 'cam2', kind: 'video', mid: '9' }, 'h264');
  assert.equal(match?.trackSid, sid);
  assert.equal(match?.preferredCodec, 'h264');
  assert.deepEqual(
    bob.negotiation.subscription(sid)?.sources.map(({ codec }) => codec),
    ['h264'],
  );
  assert.deepEqual(bob.sink.all('subscriptionResponse'), []);
  await scene.close();
});
