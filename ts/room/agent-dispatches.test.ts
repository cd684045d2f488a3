import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AgentDispatch,
  CreateAgentDispatchRequest,
  CreateRoomRequest,
  DeleteAgentDispatchRequest,
  DisconnectReason,
  Job,
  JobState,
  JobStatus,
  JobType,
  ParticipantInfo_Kind as Kind,
  ParticipantInfo,
  Room,
  RoomAgentDispatch,
  RoomParticipantIdentity,
} from '@livekit/protocol';
import type { JobOffer } from '../agent/types.ts';
import type { RoomName } from '../lib/ids.ts';
import { DEFAULT_ROOM_CONFIG } from './config.ts';
import { newRoom } from './room-allocation.ts';
import { Scene } from './testing/scene.ts';
import { settle } from './testing/virtual-clock.ts';

const ROOM = 'room' as RoomName;

/** `type identity` of each offer. */
function told({ agents }: Scene): string[] {
  return agents.offers.map(({ type, participant }) => `${JobType[type]} ${participant?.identity ?? ''}`.trim());
}

function offer(scene: Scene, type: JobType): JobOffer {
  const found = scene.agents.offers.find((one) => one.type === type);
  assert.ok(found !== undefined);
  return found;
}

async function states(scene: Scene): Promise<[id: string, status: string, error: string][]> {
  const jobs = (await scene.control.listDispatches(ROOM)).flatMap(({ state }) => state?.jobs ?? []);
  return jobs.map(({ id, state }) => [id, JobStatus[state?.status ?? 0] ?? '', state?.error ?? '']);
}

test('there is a job when a room opens, one for each participant that joins, and one when it first publishes', async () => {
  const scene = new Scene();
  await scene.control.createRoom(new CreateRoomRequest({ name: 'room' }));
  assert.deepEqual(told(scene), ['JT_ROOM']);
  const alice = await scene.active('alice');
  await scene.publishMicrophone(alice);
  await scene.publishCamera(alice);
  await scene.active('bob');
  assert.deepEqual(told(scene), ['JT_ROOM', 'JT_PARTICIPANT alice', 'JT_PUBLISHER alice', 'JT_PARTICIPANT bob']);
  const [first] = scene.agents.offers;
  assert.deepEqual([first?.agentName, first?.room.name], ['', 'room']);
  await scene.close();
});

test('agents and recorders get no agents', async () => {
  const scene = new Scene();
  await scene.active('agent', { kind: Kind.AGENT });
  await scene.active('recorder', { grant: { recorder: true } });
  assert.deepEqual(told(scene), ['JT_ROOM']);
  await scene.close();
});

test('dispatches of the room take the place of the unnamed one', async () => {
  const scene = new Scene();
  const agents = [
    new RoomAgentDispatch(),
    new RoomAgentDispatch({ agentName: 'ag', metadata: 'm', deployment: 'blue', attributes: { a: '1' } }),
  ];
  await scene.control.createRoom(new CreateRoomRequest({ name: 'room', agents }));
  const offers = scene.agents.offers.map(({ agentName, metadata, deployment }) => [agentName, metadata, deployment]);
  assert.deepEqual(offers, [
    ['', '', ''],
    ['ag', 'm', 'blue'],
  ]);
  assert.deepEqual(
    (await scene.store.dispatches.list(ROOM)).map(({ agentName }) => agentName),
    ['', 'ag'],
  );
  await scene.close();
});

test('a dispatch that comes later makes jobs for who is there', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  await scene.publishMicrophone(alice);
  await scene.active('bob');
  scene.agents.offers.length = 0;
  await scene.control.createDispatch(new CreateAgentDispatchRequest({ room: 'room', agentName: 'late' }));
  assert.deepEqual(told(scene), ['JT_ROOM', 'JT_PUBLISHER alice', 'JT_PARTICIPANT alice', 'JT_PARTICIPANT bob']);
  await scene.close();
});

test('jobs that workers took are listed with their dispatch and stored', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const job = scene.agents.take(offer(scene, JobType.JT_PARTICIPANT), 'agent');
  await settle();
  assert.deepEqual(await states(scene), [[job.id, 'JS_RUNNING', '']]);
  const [stored] = await scene.store.dispatches.listJobs(ROOM);
  assert.deepEqual(
    [stored?.id, stored?.room, stored?.participant?.toJson()],
    [job.id, undefined, { identity: 'alice' }],
  );
  await scene.close();
});

test('an agent that leaves ends its job, one that comes back in a new session does not', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const job = scene.agents.take(offer(scene, JobType.JT_ROOM), 'agent');
  await scene.active('agent', { kind: Kind.AGENT });
  await scene.active('agent', { kind: Kind.AGENT });
  assert.deepEqual(scene.agents.terminated, []);
  await scene.control.removeParticipant(new RoomParticipantIdentity({ room: 'room', identity: 'agent' }));
  await settle();
  assert.deepEqual(scene.agents.terminated, [[job.id, 'agentLeft']]);
  assert.equal((await states(scene))[0]?.[1], 'JS_FAILED');
  await scene.close();
});

test('a deleted dispatch ends its jobs; agents that stay are removed after three seconds', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const job = scene.agents.take(offer(scene, JobType.JT_ROOM), 'agent');
  const agent = await scene.active('agent', { kind: Kind.AGENT });
  const [dispatch] = await scene.control.listDispatches(ROOM);
  const request = new DeleteAgentDispatchRequest({ room: 'room', dispatchId: dispatch?.id ?? '' });
  const deleted = await scene.control.deleteDispatch(request);
  assert.deepEqual(
    deleted.state?.jobs.map(({ id }) => id),
    [job.id],
  );
  await settle();
  assert.deepEqual(scene.agents.terminated, [[job.id, 'requested']]);
  await scene.clock.advance(2900);
  assert.equal(agent.sink.kinds.includes('leave'), false);
  await scene.clock.advance(200);
  assert.equal(agent.sink.last('leave').reason, DisconnectReason.PARTICIPANT_REMOVED);
  assert.equal(scene.agents.terminated.length, 1);
  assert.deepEqual([await scene.store.dispatches.list(ROOM), await scene.store.dispatches.listJobs(ROOM)], [[], []]);
  await scene.close();
});

test('where the worker is gone its agent is removed at once', async () => {
  const scene = new Scene();
  await scene.active('alice');
  scene.agents.take(offer(scene, JobType.JT_ROOM), 'agent');
  const agent = await scene.active('agent', { kind: Kind.AGENT });
  scene.agents.unreachable = true;
  const [dispatch] = await scene.control.listDispatches(ROOM);
  await scene.control.deleteDispatch(new DeleteAgentDispatchRequest({ room: 'room', dispatchId: dispatch?.id ?? '' }));
  await settle();
  assert.equal(agent.sink.last('leave').reason, DisconnectReason.PARTICIPANT_REMOVED);
  await scene.close();
});

test('a job that is taken after its dispatch was deleted ends at once', async () => {
  const scene = new Scene();
  await scene.active('alice');
  const [dispatch] = await scene.control.listDispatches(ROOM);
  await scene.control.deleteDispatch(new DeleteAgentDispatchRequest({ room: 'room', dispatchId: dispatch?.id ?? '' }));
  const job = scene.agents.take(offer(scene, JobType.JT_ROOM), 'agent');
  await settle();
  assert.deepEqual(scene.agents.terminated, [[job.id, 'requested']]);
  assert.deepEqual(await scene.store.dispatches.listJobs(ROOM), []);
  await scene.close();
});

test('a room with agents alone ends after its timeout, and their jobs with it', async () => {
  const scene = new Scene();
  await scene.control.createRoom(new CreateRoomRequest({ name: 'room', emptyTimeout: 10 }));
  const job = scene.agents.take(offer(scene, JobType.JT_ROOM), 'agent');
  const agent = await scene.active('agent', { kind: Kind.AGENT });
  await scene.clock.advance(12_000);
  assert.equal(agent.sink.last('leave').reason, DisconnectReason.ROOM_CLOSED);
  assert.deepEqual(scene.agents.terminated, [[job.id, 'requested']]);
  assert.equal(scene.rooms.get(ROOM), undefined);
  await scene.close();
});

test('a room that moves away takes its agents along', async () => {
  const scene = new Scene();
  await scene.active('alice');
  scene.agents.take(offer(scene, JobType.JT_ROOM), 'agent');
  await scene.active('agent', { kind: Kind.AGENT });
  await scene.rooms.handOver(ROOM);
  assert.deepEqual(scene.agents.terminated, []);
  assert.equal((await scene.store.dispatches.listJobs(ROOM)).length, 1);
  await scene.close();
});

/** A room that another node hosted, with an agent for the room and one for alice. */
async function formerlyHosted(): Promise<Scene> {
  const scene = new Scene();
  const { room, internal } = newRoom(DEFAULT_ROOM_CONFIG, ROOM, scene.clock.now());
  await scene.store.rooms.store(room, internal);
  const { dispatches } = scene.store;
  await dispatches.store(new AgentDispatch({ id: 'AD_former', room: 'room', agentName: 'ag' }));
  const job = (id: string, type: JobType, about?: string) =>
    new Job({
      id,
      type,
      dispatchId: 'AD_former',
      room: new Room({ name: 'room' }),
      state: new JobState({ status: JobStatus.JS_RUNNING, participantIdentity: `agent of ${id}` }),
      ...(about === undefined ? {} : { participant: new ParticipantInfo({ identity: about }) }),
    });
  await dispatches.storeJob(job('AJ_room', JobType.JT_ROOM));
  await dispatches.storeJob(job('AJ_alice', JobType.JT_PARTICIPANT, 'alice'));
  return scene;
}

test('agents of a room that comes from another node are waited for', async () => {
  const scene = await formerlyHosted();
  await scene.active('alice');
  assert.deepEqual(told(scene), []);
  await scene.active('agent of AJ_room', { kind: Kind.AGENT });
  await scene.active('agent of AJ_alice', { kind: Kind.AGENT });
  await scene.clock.advance(30_000);
  assert.deepEqual(told(scene), []);
  assert.deepEqual(
    (await scene.control.listDispatches(ROOM)).map(({ id }) => id),
    ['AD_former'],
  );
  await scene.active('bob');
  assert.deepEqual(told(scene), ['JT_PARTICIPANT bob']);
  await scene.close();
});

test('in place of agents that do not come back there are new ones', async () => {
  const scene = await formerlyHosted();
  await scene.active('alice');
  await scene.active('agent of AJ_room', { kind: Kind.AGENT });
  await scene.clock.advance(30_000);
  assert.deepEqual(told(scene), ['JT_PARTICIPANT alice']);
  assert.deepEqual((await states(scene)).toSorted(), [
    ['AJ_alice', 'JS_FAILED', 'agent did not come back'],
    ['AJ_room', 'JS_RUNNING', ''],
  ]);
  await scene.close();
});
