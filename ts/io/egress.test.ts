import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EgressInfo, EgressStatus } from '@livekit/protocol';
import { GetEgressRequest, type StartEgressRequest } from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { EgressHandler, EgressInternal, IOInfo } from '../psrpc/services.ts';
import { EndedEgressSweeper } from './ended-egress-sweeper.ts';
import { WorkerScene } from './testing/worker-scene.ts';

const denied = { code: 'unauthenticated', msg: 'permissions denied' };

/** A worker that takes whatever it is asked to record. */
async function withWorker(scene: WorkerScene): Promise<StartEgressRequest[]> {
  const taken: StartEgressRequest[] = [];
  await scene.worker.handle(EgressInternal.StartEgress, '', async (request) => {
    taken.push(request);
    const { egressId, roomId } = request;
    return new EgressInfo({ egressId, roomId, roomName: roomId === '' ? '' : 'meeting' });
  });
  return taken;
}

test('a worker gets the request with an id and the id of the room, and without tokens', async () => {
  const scene = await WorkerScene.start();
  const taken = await withWorker(scene);
  const { status, json } = await scene.call('Egress/StartRoomCompositeEgress', {
    room_name: 'meeting',
    layout: 'grid',
  });
  assert.equal(status, 200);
  assert.match(json.egress_id, /^EG_[2-9A-Za-z]{12}$/);
  const [request] = taken;
  assert.equal(request?.egressId, json.egress_id);
  assert.equal(request?.roomId, 'RM_meeting');
  assert.equal(request?.request.case, 'roomComposite');
  assert.deepEqual([request?.token, request?.wsUrl], ['', '']);
  assert.equal((await scene.egressStore.load(json.egress_id))?.roomId, 'RM_meeting');
  assert.deepEqual(scene.eventNames, ['egress_started']);
  await scene.close();
});

test('each way of starting reaches the worker as what it is', async () => {
  const scene = await WorkerScene.start();
  const taken = await withWorker(scene);
  const room_name = 'meeting';
  await scene.call('Egress/StartEgress', { room_name });
  await scene.call('Egress/StartWebEgress', { url: 'https://example.com' });
  await scene.call('Egress/StartParticipantEgress', { room_name, identity: 'alice' });
  await scene.call('Egress/StartTrackCompositeEgress', { room_name, audio_track_id: 'TR_a' });
  await scene.call('Egress/StartTrackEgress', { room_name, track_id: 'TR_a' });
  const cases = taken.map(({ request }) => request.case);
  assert.deepEqual(cases, ['egress', 'web', 'participant', 'trackComposite', 'track']);
  assert.deepEqual(
    taken.map(({ roomId }) => roomId),
    ['RM_meeting', '', 'RM_meeting', 'RM_meeting', 'RM_meeting'],
  );
  await scene.close();
});

test('recording needs its grant and a room that exists', async () => {
  const scene = await WorkerScene.start();
  for (const name of ['StartEgress', 'UpdateLayout', 'UpdateStream', 'ListEgress', 'StopEgress']) {
    assert.deepEqual((await scene.call(`Egress/${name}`, {}, { roomAdmin: true })).json, denied);
  }
  const { status, json } = await scene.call('Egress/StartTrackEgress', { room_name: 'nowhere' });
  assert.deepEqual([status, json], [404, { code: 'not_found', msg: 'requested room does not exist' }]);
  await scene.close();
});

test('where no worker answers, three attempts are made with growing breaks', async () => {
  const scene = await WorkerScene.start();
  const { status, json } = await scene.call('Egress/StartWebEgress', { url: 'https://example.com' });
  assert.deepEqual([status, json], [503, { code: 'unavailable', msg: 'no response from servers' }]);
  assert.deepEqual(scene.waits, [1500, 3000]);
  await scene.close();
});

test("a worker's refusal is the answer, at once", async () => {
  const scene = await WorkerScene.start();
  await scene.worker.handle(EgressInternal.StartEgress, '', async () => {
    throw new RpcError('invalid_argument', 'request has missing or invalid field: url');
  });
  const { status, json } = await scene.call('Egress/StartWebEgress', {});
  assert.equal(status, 400);
  assert.equal(json.msg, 'request has missing or invalid field: url');
  assert.deepEqual([scene.waits, scene.events], [[], []]);
  await scene.close();
});

test('what workers tell is stored, listed and told on', async () => {
  const scene = await WorkerScene.start();
  const tell = (egressId: string, status: EgressStatus, endedAt = 0n) =>
    scene.asking.call(IOInfo.UpdateEgress, '', new EgressInfo({ egressId, roomName: 'meeting', status, endedAt }));
  const created = new EgressInfo({ egressId: 'EG_1', roomName: 'meeting', roomId: 'RM_meeting' });
  await scene.asking.call(IOInfo.CreateEgress, '', created);
  await scene.asking.call(IOInfo.CreateEgress, '', created);
  await scene.asking.call(IOInfo.CreateEgress, '', new EgressInfo({ egressId: 'EG_2', roomName: 'other' }));
  await tell('EG_1', EgressStatus.EGRESS_ACTIVE);
  await tell('EG_1', EgressStatus.EGRESS_COMPLETE, 1n);
  assert.deepEqual(scene.eventNames, ['egress_started', 'egress_started', 'egress_updated', 'egress_ended']);
  assert.deepEqual(scene.events[0]?.room?.sid, 'RM_meeting');

  const list = async (filter: object) => {
    const { json } = await scene.call('Egress/ListEgress', filter);
    return json.items.map((info: { egress_id: string }) => info.egress_id).sort();
  };
  assert.deepEqual(await list({}), ['EG_1', 'EG_2']);
  assert.deepEqual(await list({ room_name: 'meeting' }), ['EG_1']);
  assert.deepEqual(await list({ active: true }), ['EG_2']);
  assert.deepEqual(await list({ egress_id: 'EG_1' }), ['EG_1']);
  assert.equal((await scene.call('Egress/ListEgress', { egress_id: 'EG_none' })).json.msg, 'egress does not exist');
  const got = await scene.asking.call(IOInfo.GetEgress, '', new GetEgressRequest({ egressId: 'EG_1' }));
  assert.equal(got.status, EgressStatus.EGRESS_COMPLETE);
  await scene.close();
});

test('what is over can be neither stopped nor updated; what runs answers itself', async () => {
  const scene = await WorkerScene.start();
  await scene.egressStore.store(new EgressInfo({ egressId: 'EG_over', status: EgressStatus.EGRESS_FAILED }));
  await scene.egressStore.store(new EgressInfo({ egressId: 'EG_runs', status: EgressStatus.EGRESS_ACTIVE }));
  const over = await scene.call('Egress/StopEgress', { egress_id: 'EG_over' });
  assert.deepEqual([over.status, over.json.msg], [412, 'egress with status EGRESS_FAILED cannot be stopped']);
  const updated = await scene.call('Egress/UpdateStream', { egress_id: 'EG_over' });
  assert.equal(updated.json.msg, 'egress with status EGRESS_FAILED cannot be updated');
  assert.equal((await scene.call('Egress/StopEgress', { egress_id: 'EG_none' })).status, 404);
  // Its worker does not come to it.
  const mute = await scene.call('Egress/StopEgress', { egress_id: 'EG_runs' });
  assert.deepEqual([mute.status, mute.json], [408, { code: 'deadline_exceeded', msg: 'request timed out' }]);
  const ending = new EgressInfo({ egressId: 'EG_runs', status: EgressStatus.EGRESS_ENDING });
  await scene.worker.handle(EgressHandler.StopEgress, 'EG_runs', async () => ending);
  assert.equal((await scene.call('Egress/StopEgress', { egress_id: 'EG_runs' })).json.status, 'EGRESS_ENDING');
  await scene.close();
});

test('a new layout becomes metadata of the egress as a participant', async () => {
  const scene = await WorkerScene.start();
  await scene.egressStore.store(new EgressInfo({ egressId: 'EG_1', roomName: 'meeting' }));
  const { status } = await scene.call('Egress/UpdateLayout', { egress_id: 'EG_1', layout: 'speaker<2>' });
  assert.equal(status, 200);
  assert.deepEqual(scene.metadata, ['{"layout":"speaker\\u003c2\\u003e"}']);
  assert.equal((await scene.call('Egress/UpdateLayout', { egress_id: 'EG_2' })).status, 404);
  await scene.close();
});

test('what ended a day ago is forgotten, whatever its room is called', async () => {
  const scene = await WorkerScene.start();
  const day = 24 * 3600_000;
  const now = 10 * day;
  const end = async (egressId: string, roomName: string, at: number) => {
    const info = new EgressInfo({
      egressId,
      roomName,
      status: EgressStatus.EGRESS_COMPLETE,
      endedAt: BigInt(at) * 1_000_000n,
    });
    await scene.egressStore.store(info);
    await scene.egressStore.update(info);
  };
  await end('EG_old', 'a|b', now - day - 1);
  await end('EG_new', 'a|b', now - day + 1);
  await scene.keyspace.hashSet('ended_egress', 'EG_odd', 'nonsense');
  const sweeper = new EndedEgressSweeper({
    store: scene.egressStore,
    now: () => now,
    onError: (error) => assert.fail(String(error)),
  });
  await sweeper.sweep();
  assert.equal(await scene.egressStore.load('EG_old'), undefined);
  assert.deepEqual(await scene.keyspace.setMembers('egress:room:a|b'), ['EG_new']);
  const left = await scene.keyspace.hashGet('ended_egress', 'EG_new');
  assert.equal(new TextDecoder().decode(left), `a|b|${BigInt(now - day + 1) * 1_000_000n}`);
  await sweeper.close();
  await scene.close();
});
