import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IngressInfo, IngressInput, IngressState, IngressState_Status as Status } from '@livekit/protocol';
import { GetIngressInfoRequest, UpdateIngressStateRequest } from '../gen/rpc_pb.ts';
import { IngressHandler, IngressInternal, IOInfo } from '../psrpc/services.ts';
import { WorkerScene } from './testing/worker-scene.ts';

const rtmp = { input_type: 'RTMP_INPUT', name: 'stage', room_name: 'meeting', participant_identity: 'camera' };

function tell(
  scene: WorkerScene,
  ingressId: string,
  state: { status: Status; startedAt?: bigint; updatedAt?: bigint },
) {
  const request = new UpdateIngressStateRequest({ ingressId, state: new IngressState(state) });
  return scene.asking.call(IOInfo.UpdateIngressState, '', request);
}

test('an input to send to gets an id, a stream key and the address', async () => {
  const scene = await WorkerScene.start();
  const { status, json } = await scene.call('Ingress/CreateIngress', rtmp);
  assert.equal(status, 200);
  assert.match(json.ingress_id, /^IN_[2-9A-Za-z]{12}$/);
  assert.match(json.stream_key, /^[2-9A-Za-z]{12}$/);
  assert.equal(json.url, 'rtmp://in.example/live');
  assert.deepEqual([json.reusable, json.enable_transcoding, json.bypass_transcoding], [true, true, false]);
  assert.equal(json.state.status, 'ENDPOINT_INACTIVE');
  const whip = await scene.call('Ingress/CreateIngress', { ...rtmp, input_type: 'WHIP_INPUT' });
  assert.equal(whip.json.url, 'https://in.example/w');
  assert.deepEqual([whip.json.enable_transcoding, whip.json.bypass_transcoding], [false, true]);
  await scene.close();
});

test('records lie under the keys that workers and other servers know, the state apart', async () => {
  const scene = await WorkerScene.start();
  const { json } = await scene.call('Ingress/CreateIngress', rtmp);
  const id = json.ingress_id;
  const stored = await scene.keyspace.hashGet('ingress', id);
  assert.equal(IngressInfo.fromBinary(stored ?? new Uint8Array()).state, undefined);
  const key = await scene.keyspace.hashGet('{ingress}_stream_key', json.stream_key);
  assert.equal(new TextDecoder().decode(key), id);
  assert.deepEqual(await scene.keyspace.setMembers('room_{ingress}:meeting'), [id]);
  assert.equal((await scene.keyspace.get(`{ingress}_state:${id}`))?.length, 0);

  await scene.call('Ingress/UpdateIngress', { ingress_id: id, room_name: 'other' });
  assert.deepEqual(await scene.keyspace.setMembers('room_{ingress}:meeting'), []);
  assert.deepEqual(await scene.keyspace.setMembers('room_{ingress}:other'), [id]);
  await scene.call('Ingress/DeleteIngress', { ingress_id: id });
  assert.equal(await scene.keyspace.hashGet('ingress', id), undefined);
  assert.equal(await scene.keyspace.hashGet('{ingress}_stream_key', json.stream_key), undefined);
  assert.equal(await scene.keyspace.get(`{ingress}_state:${id}`), undefined);
  assert.deepEqual(await scene.keyspace.setMembers('room_{ingress}:other'), []);
  await scene.close();
});

test('what cannot work is refused in the words of livekit-server', async () => {
  const scene = await WorkerScene.start();
  const refused = async (request: object) => (await scene.call('Ingress/CreateIngress', request)).json;
  const why = async (request: object) => {
    const { code, msg } = await refused(request);
    assert.equal(code, 'invalid_argument');
    return msg;
  };
  const url = { ...rtmp, input_type: 'URL_INPUT', url: 'https://example.com/a.mp4' };
  assert.equal(await why({ ...rtmp, participant_identity: '' }), 'invalid ingress: no participant identity');
  assert.equal(await why({ ...url, url: '' }), 'invalid ingress: missing URL parameter');
  assert.equal(await why({ ...url, url: 'ftp://example.com' }), 'invalid ingress: invalid url scheme ftp');
  assert.equal(await why({ ...url, room_name: '' }), 'invalid ingress: no room name');
  assert.equal(await why({ ...url, enabled: false }), 'invalid ingress: disabled non reusable ingress');
  assert.equal(
    await why({ ...rtmp, video: { source: 'MICROPHONE' } }),
    'invalid video parameters: invalid track source',
  );
  assert.equal(
    await why({ ...rtmp, audio: { options: { channels: 3 } } }),
    'invalid audio parameters: invalid audio channel count',
  );
  const layers = (...sizes: [string, number, number][]) => ({
    ...rtmp,
    video: { options: { layers: sizes.map(([quality, width, height]) => ({ quality, width, height })) } },
  });
  assert.equal(await why(layers(['HIGH', 641, 480])), 'invalid ingress: layer width must be even');
  assert.equal(
    await why(layers(['HIGH', 640, 480], ['LOW', 1280, 720])),
    'invalid video parameters: video layers do not have increasing height with increasing quality',
  );
  assert.equal(
    await why({ ...rtmp, enable_transcoding: false }),
    'invalid transcoding bypass configuration: bypassing transcoding impossible with selected input type',
  );
  assert.equal(
    await why({ ...rtmp, input_type: 'WHIP_INPUT', video: { preset: 'H264_720P_30FPS_3_LAYERS' } }),
    'invalid transcoding bypass configuration: video encoding options must be empty if transcoding is disabled',
  );
  const denied = await scene.call('Ingress/CreateIngress', rtmp, { roomCreate: true });
  assert.deepEqual(denied.json, { code: 'unauthenticated', msg: 'permissions denied' });
  await scene.close();
});

test('a URL is fetched at once, by a worker that records it', async () => {
  const scene = await WorkerScene.start();
  const url = { ...rtmp, input_type: 'URL_INPUT', url: 'HTTPS://example.com/a b.mp4?x=ü' };
  const nobody = await scene.call('Ingress/CreateIngress', url);
  assert.deepEqual([nobody.status, nobody.json.msg], [503, 'no response from servers']);
  const asked: IngressInfo[] = [];
  await scene.worker.handle(IngressInternal.StartIngress, '', async ({ info }) => {
    const started = info ?? new IngressInfo();
    asked.push(started.clone());
    await scene.asking.call(IOInfo.CreateIngress, '', started);
    started.state = new IngressState({ status: Status.ENDPOINT_BUFFERING });
    return started;
  });
  const { json } = await scene.call('Ingress/CreateIngress', url);
  assert.equal(json.state.status, 'ENDPOINT_BUFFERING');
  assert.equal(asked[0]?.url, 'https://example.com/a%20b.mp4?x=ü');
  assert.deepEqual([asked[0]?.streamKey, asked[0]?.reusable], ['', false]);
  const update = await scene.call('Ingress/UpdateIngress', { ingress_id: json.ingress_id, name: 'new' });
  assert.deepEqual([update.status, update.json.msg], [400, 'ingress is not reusable and cannot be modified']);
  await scene.close();
});

test('workers find an input by its id or its stream key, and never get a token', async () => {
  const scene = await WorkerScene.start();
  const { json } = await scene.call('Ingress/CreateIngress', rtmp);
  const find = (request: object) => scene.asking.call(IOInfo.GetIngressInfo, '', new GetIngressInfoRequest(request));
  const byKey = await find({ streamKey: json.stream_key });
  assert.deepEqual([byKey.info?.ingressId, byKey.token, byKey.wsUrl], [json.ingress_id, '', '']);
  assert.equal((await find({ ingressId: json.ingress_id })).info?.inputType, IngressInput.RTMP_INPUT);
  await assert.rejects(find({ streamKey: 'none' }), { code: 'not_found', message: 'ingress does not exist' });
  await assert.rejects(find({}), { message: 'request needs to specify either IngressId or StreamKey' });
  await scene.close();
});

test('states follow each other by session and time, and their changes are events', async () => {
  const scene = await WorkerScene.start();
  const { json } = await scene.call('Ingress/CreateIngress', rtmp);
  const id = json.ingress_id;
  await tell(scene, id, { status: Status.ENDPOINT_PUBLISHING, startedAt: 5n, updatedAt: 10n });
  await tell(scene, id, { status: Status.ENDPOINT_BUFFERING, startedAt: 5n, updatedAt: 9n });
  await tell(scene, id, { status: Status.ENDPOINT_PUBLISHING, startedAt: 5n, updatedAt: 11n });
  await assert.rejects(tell(scene, id, { status: Status.ENDPOINT_INACTIVE, startedAt: 4n, updatedAt: 99n }), {
    code: 'failed_precondition',
  });
  assert.equal((await scene.ingressStore.load(id))?.state?.updatedAt, 11n);
  await tell(scene, id, { status: Status.ENDPOINT_INACTIVE, startedAt: 5n, updatedAt: 12n });
  assert.deepEqual(scene.eventNames, ['ingress_started', 'ingress_ended']);
  await assert.rejects(tell(scene, 'IN_none', { status: Status.ENDPOINT_INACTIVE }), { code: 'not_found' });
  await scene.close();
});

test('what runs hears of its update and its end; what failed can be used again after an update', async () => {
  const scene = await WorkerScene.start();
  const { json } = await scene.call('Ingress/CreateIngress', rtmp);
  const id = json.ingress_id;
  const heard: string[] = [];
  await scene.worker.handle(IngressHandler.UpdateIngress, id, async ({ name }) => {
    heard.push(`update ${name}`);
    return new IngressState();
  });
  await scene.worker.handle(IngressHandler.DeleteIngress, id, async () => {
    heard.push('delete');
    return new IngressState();
  });
  await tell(scene, id, { status: Status.ENDPOINT_ERROR, startedAt: 1n });
  const revived = await scene.call('Ingress/UpdateIngress', { ingress_id: id, name: 'again', enabled: false });
  assert.deepEqual(
    [revived.json.state.status, revived.json.name, revived.json.enabled],
    ['ENDPOINT_INACTIVE', 'again', false],
  );
  assert.deepEqual(heard, []);
  await tell(scene, id, { status: Status.ENDPOINT_PUBLISHING, startedAt: 2n });
  await scene.call('Ingress/UpdateIngress', { ingress_id: id, name: 'live' });
  const { json: list } = await scene.call('Ingress/ListIngress', { room_name: 'meeting' });
  assert.deepEqual(
    [list.items[0].name, list.items[0].enabled, list.items[0].state.status],
    ['live', false, 'ENDPOINT_PUBLISHING'],
  );
  const gone = await scene.call('Ingress/DeleteIngress', { ingress_id: id });
  assert.equal(gone.json.state.status, 'ENDPOINT_INACTIVE');
  assert.deepEqual(heard, ['update live', 'delete']);
  assert.equal((await scene.call('Ingress/ListIngress', { ingress_id: id })).status, 404);
  assert.deepEqual((await scene.call('Ingress/ListIngress', {})).json.items, []);
  await scene.close();
});
