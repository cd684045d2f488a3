/** Announcing tracks over a bare signal connection (livekit-facts 3.7): what each kind of request is answered with. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  AddTrackRequest,
  BackupCodecPolicy,
  Encryption_Type,
  MuteTrackRequest,
  RequestResponse_Reason as Reason,
  SignalRequest,
  SimulcastCodec,
  TrackSource,
  TrackType,
  TrickleRequest,
  VideoLayer_Mode,
} from '@livekit/protocol';
import type { VideoGrant } from 'livekit-server-sdk';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';
import { connect, type SignalClient, v0 } from './support/signal.ts';

let server: TestServer;

before(async () => {
  server = await startServer();
});

after(async () => {
  await server?.stop();
});

async function joined(grant: VideoGrant = {}, query: Record<string, string> = {}): Promise<SignalClient> {
  const client = await connect(server.url + v0(await joinToken(freshRoom(), 'alice', grant), query));
  await client.next('join');
  return client;
}

function addTrack(client: SignalClient, request: ConstructorParameters<typeof AddTrackRequest>[0]): void {
  client.send(new SignalRequest({ message: { case: 'addTrack', value: new AddTrackRequest(request) } }));
}

async function published(client: SignalClient) {
  const { message } = await client.next('trackPublished');
  assert.ok(message.case === 'trackPublished' && message.value.track !== undefined);
  return { cid: message.value.cid, track: message.value.track };
}

async function refused(client: SignalClient) {
  const { message } = await client.next('requestResponse');
  assert.ok(message.case === 'requestResponse');
  return message.value;
}

const microphone = { type: TrackType.AUDIO, source: TrackSource.MICROPHONE };
const camera = { type: TrackType.VIDEO, source: TrackSource.CAMERA, width: 640, height: 360 };

test('a fresh token comes right after the join response, before the first offer', async () => {
  const client = await connect(server.url + v0(await joinToken(freshRoom(), 'alice')));
  await client.next('offer');
  const kinds = client.messages.map(({ message }) => message.case);
  assert.deepEqual(kinds.slice(0, 2), ['join', 'refreshToken']);
  client.close();
});

test('a track id tells kind and source', async () => {
  const client = await joined();
  const sources: [TrackType, TrackSource, RegExp][] = [
    [TrackType.AUDIO, TrackSource.MICROPHONE, /^TR_AM\w{12}$/],
    [TrackType.VIDEO, TrackSource.CAMERA, /^TR_VC\w{12}$/],
    [TrackType.VIDEO, TrackSource.SCREEN_SHARE, /^TR_VS\w{12}$/],
    [TrackType.AUDIO, TrackSource.SCREEN_SHARE_AUDIO, /^TR_As\w{12}$/],
  ];
  for (const [type, source, pattern] of sources) {
    addTrack(client, { cid: `cid ${source}`, type, source });
    const { cid, track } = await published(client);
    assert.equal(cid, `cid ${source}`);
    assert.match(track.sid, pattern);
    assert.equal(track.stream, source <= TrackSource.MICROPHONE ? 'camera' : 'screen');
  }
  client.close();
});

test('codecs keep their order, ids and layer modes', async () => {
  const client = await joined();
  addTrack(client, {
    ...camera,
    cid: 'cam',
    muted: true,
    encryption: Encryption_Type.GCM,
    simulcastCodecs: [new SimulcastCodec({ codec: 'vp9', cid: 'cam' }), new SimulcastCodec({ codec: 'vp8' })],
  });
  const { track } = await published(client);
  assert.deepEqual(
    track.codecs.map(({ mimeType, cid }) => [mimeType.toLowerCase(), cid]),
    [
      ['video/vp9', 'cam'],
      ['video/vp8', ''],
    ],
  );
  assert.equal(track.codecs[0]?.videoLayerMode, VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM);
  assert.equal(track.codecs[1]?.videoLayerMode, VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM);
  assert.deepEqual([track.muted, track.encryption], [true, Encryption_Type.GCM]);
  client.close();
});

test('audio keeps all codecs, and its features are in the old flags too', async () => {
  const client = await joined();
  addTrack(client, { ...microphone, cid: 'mic', stereo: true, disableDtx: true });
  const { track } = await published(client);
  assert.equal(track.backupCodecPolicy, BackupCodecPolicy.SIMULCAST);
  assert.deepEqual([track.stereo, track.disableDtx], [true, true]);
  assert.equal(track.audioFeatures.length, 2);
  client.close();
});

test('requests that can not be granted are answered with the reason and the request', async () => {
  const client = await joined({ canPublishSources: [TrackSource.MICROPHONE] });
  addTrack(client, { ...camera, cid: 'cam' });
  let answer = await refused(client);
  assert.equal(answer.reason, Reason.NOT_ALLOWED);
  assert.ok(answer.request.case === 'addTrack' && answer.request.value.cid === 'cam');

  addTrack(client, { cid: 'data', type: TrackType.DATA, source: TrackSource.MICROPHONE });
  assert.equal((await refused(client)).reason, Reason.UNSUPPORTED_TYPE);

  addTrack(client, { ...microphone, cid: 'more', sid: 'TR_unknown' });
  assert.equal((await refused(client)).reason, Reason.NOT_FOUND);

  addTrack(client, { ...microphone, cid: 'mic' });
  await published(client);
  addTrack(client, { ...microphone, cid: 'mic' });
  assert.equal((await refused(client)).reason, Reason.QUEUED);

  client.send(
    new SignalRequest({ message: { case: 'mute', value: new MuteTrackRequest({ sid: 'TR_unknown', muted: true }) } }),
  );
  answer = await refused(client);
  assert.deepEqual([answer.reason, answer.request.case], [Reason.NOT_FOUND, 'mute']);

  const trickle = new TrickleRequest({ candidateInit: 'not json' });
  client.send(new SignalRequest({ message: { case: 'trickle', value: trickle } }));
  answer = await refused(client);
  assert.deepEqual([answer.reason, answer.request.case], [Reason.UNCLASSIFIED_ERROR, 'trickle']);
  assert.notEqual(answer.message, '');
  client.close();
});

test('early clients of the Rust SDK are spared answers they do not know', async () => {
  const client = await joined({ canPublish: false }, { sdk: 'rust', version: '0.1.0', protocol: '9' });
  addTrack(client, { ...microphone, cid: 'mic' });
  client.send(new SignalRequest({ message: { case: 'ping', value: 1n } }));
  await client.next('pong');
  assert.ok(!client.messages.some(({ message }) => message.case === 'requestResponse'));
  client.close();
});
