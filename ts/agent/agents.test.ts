import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  JobStatus,
  JobType,
  ParticipantInfo,
  UpdateJobStatus,
  UpdateWorkerStatus,
  WorkerPing,
  WorkerStatus,
} from '@livekit/protocol';
import { Keys } from '../auth/keys.ts';
import { verifyToken } from '../auth/token.ts';
import { CheckEnabledRequest } from '../gen/rpc_pb.ts';
import { LocalBus } from '../psrpc/local-bus.ts';
import { AgentInternal } from '../psrpc/services.ts';
import { TestNode } from './testing/fleet.ts';
import { ScriptedWorker, type ScriptedWorkerOptions, WORKER_KEY } from './testing/scripted-worker.ts';

/** Two nodes on one bus; workers connect to the second. */
async function fleet(run: (one: TestNode, two: TestNode, bus: LocalBus) => Promise<void>): Promise<void> {
  const bus = new LocalBus();
  const one = await TestNode.start(bus, 'ND_one');
  const two = await TestNode.start(bus, 'ND_two');
  try {
    await run(one, two, bus);
  } finally {
    await one.close();
    await two.close();
    await bus.close();
  }
}

/** Connected, and known to the other nodes. */
async function connect(node: TestNode, options: ScriptedWorkerOptions = {}): Promise<ScriptedWorker> {
  const worker = new ScriptedWorker(node.host, options);
  // Its registration goes over the bus, which delivers on later turns.
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return worker;
}

test('a job of one node goes to a worker of another, with a token of an agent', () =>
  fleet(async (one, two) => {
    const worker = await connect(two, {
      answer: () => ({
        available: true,
        participantIdentity: 'agent-1',
        participantName: 'Agent',
        participantMetadata: 'of the agent',
        participantAttributes: { own: 'yes' },
      }),
    });
    const [job] = await one.launch();
    assert.deepEqual([job?.state?.status, job?.state?.participantIdentity], [JobStatus.JS_RUNNING, 'agent-1']);
    assert.deepEqual([job?.state?.workerId, job?.dispatchId, job?.metadata], [worker.id, 'AD_test', 'of the dispatch']);
    assert.deepEqual([job?.enableRecording, job?.enableRedaction, job?.attributes], [true, true, { a: '1' }]);
    const token = worker.assignments[0]?.token ?? '';
    const { apiKey, claims, expiresAt } = await verifyToken(
      token,
      new Keys({ key: Buffer.from(WORKER_KEY.secret).toString() }),
      new Date(),
    );
    assert.equal(apiKey, 'key');
    assert.ok(Math.abs(expiresAt - Date.now() / 1000 - 3600) < 5);
    assert.deepEqual(
      [claims.identity, claims.name, claims.kind, claims.metadata],
      ['agent-1', 'Agent', 4, 'of the agent'],
    );
    assert.deepEqual(claims.attributes, { own: 'yes', 'lk.agent_name': '' });
    assert.deepEqual(
      [claims.video?.roomJoin, claims.video?.agent, claims.video?.room, claims.video?.hidden],
      [true, true, 'room', false],
    );
    assert.deepEqual(
      [
        claims.video?.canPublish,
        claims.video?.canSubscribe,
        claims.video?.canPublishData,
        claims.video?.canUpdateOwnMetadata,
      ],
      [true, true, true, true],
    );
  }));

test('each type of job goes to workers of that type alone, once', () =>
  fleet(async (one, two) => {
    const types = [JobType.JT_ROOM, JobType.JT_PUBLISHER, JobType.JT_PARTICIPANT];
    const pairs = await Promise.all(
      types.map(async (type) => [await connect(one, { type }), await connect(two, { type })]),
    );
    for (const [index, type] of types.entries()) {
      const participant = type === JobType.JT_ROOM ? undefined : new ParticipantInfo({ identity: 'somebody' });
      assert.equal((await one.launch({ type, participant })).length, 1);
      const counts = pairs.map((pair) => pair.reduce((sum, { assignments }) => sum + assignments.length, 0));
      assert.deepEqual(
        counts,
        types.map((_, other) => (other <= index ? 1 : 0)),
      );
    }
  }));

test('a dispatch without a name makes one job in each namespace, a named one goes to workers of the name', () =>
  fleet(async (one, two) => {
    const plain = await connect(two, { namespace: 'a' });
    const other = await connect(one, { namespace: 'b' });
    const named = await connect(two, { agentName: 'name' });
    const jobs = await one.launch();
    assert.deepEqual(jobs.map(({ namespace }) => namespace).toSorted(), ['a', 'b']);
    assert.equal(new Set(jobs.map(({ id }) => id)).size, 2);
    assert.deepEqual([plain.offered.length, other.offered.length, named.offered.length], [1, 1, 0]);
    assert.equal((await one.launch({ agentName: 'name' })).length, 1);
    assert.equal(named.offered.length, 1);
    assert.deepEqual(await one.launch({ agentName: 'nobody' }), []);
  }));

test('deployments are told apart', () =>
  fleet(async (one, two) => {
    const green = await connect(two, { agentName: 'name', deployment: 'green' });
    const blue = await connect(two, { agentName: 'name', deployment: 'blue' });
    await one.launch({ agentName: 'name', deployment: 'blue' });
    assert.deepEqual([green.offered.length, blue.offered.length], [0, 1]);
  }));

test('a refused job goes to the next worker, and to nobody when all refused', () =>
  fleet(async (one, two) => {
    const refusing = await connect(two, { answer: () => ({ available: false }) });
    assert.deepEqual(await one.launch(), []);
    const willing = await connect(two);
    await one.launch();
    assert.equal(willing.assignments.length, 1);
    assert.ok(refusing.offered.length <= 2);
  }));

test('a worker that does not answer keeps the job from others', () =>
  fleet(async (one, two) => {
    const mute = await connect(two, { answer: () => undefined });
    assert.deepEqual(await one.launch(), []);
    assert.equal(mute.offered.length, 1);
  }));

test('a worker that goes away while it is asked is passed over', () =>
  fleet(async (one, two) => {
    const leaving: ScriptedWorker = await connect(two, {
      answer: () => {
        setImmediate(() => leaving.vanish());
        return undefined;
      },
    });
    const launching = one.launch();
    const staying = await connect(two);
    const jobs = await launching;
    assert.deepEqual([jobs.length, staying.assignments.length], [1, 1]);
  }));

test('a worker may end a job at once without an agent', () =>
  fleet(async (one, two) => {
    const worker = await connect(two, { answer: () => ({ terminate: true }) });
    const [job] = await one.launch();
    assert.equal(job?.state?.status, JobStatus.JS_SUCCESS);
    assert.equal(worker.assignments.length, 0);
    assert.equal(two.host.jobs, 0);
  }));

test('a full worker, and one above the target load, gets no jobs', () =>
  fleet(async (one, two) => {
    const worker = await connect(two);
    worker.say({ case: 'updateWorker', value: new UpdateWorkerStatus({ status: WorkerStatus.WS_FULL }) });
    assert.deepEqual(await one.launch(), []);
    worker.say({
      case: 'updateWorker',
      value: new UpdateWorkerStatus({ status: WorkerStatus.WS_AVAILABLE, load: 0.8 }),
    });
    assert.deepEqual(await one.launch(), []);
    worker.say({ case: 'updateWorker', value: new UpdateWorkerStatus({ load: 0.2 }) });
    assert.equal((await one.launch()).length, 1);
  }));

test('termination reaches the worker from any node, and the job is over', () =>
  fleet(async (one, two) => {
    const worker = await connect(two);
    const [job] = await one.launch();
    const id = job?.id ?? '';
    const state = await one.jobs.terminate(id, 'requested');
    assert.deepEqual([state.status, state.error], [JobStatus.JS_SUCCESS, '']);
    assert.deepEqual(
      worker.terminations.map(({ jobId }) => jobId),
      [id],
    );
    await assert.rejects(two.jobs.terminate(id, 'requested'), { code: 'unavailable' });
    const [left] = await one.launch();
    const failed = await two.jobs.terminate(left?.id ?? '', 'agentLeft');
    assert.deepEqual([failed.status, failed.error], [JobStatus.JS_FAILED, 'agent worker left the room']);
  }));

test('a job that its worker ended, or whose worker is gone, can not be terminated any more', () =>
  fleet(async (one, two) => {
    const worker = await connect(two);
    const [done, lost] = [...(await one.launch()), ...(await one.launch())];
    const status = JobStatus.JS_SUCCESS;
    worker.say({ case: 'updateJob', value: new UpdateJobStatus({ jobId: done?.id ?? '', status }) });
    assert.equal(two.host.jobs, 1);
    worker.vanish();
    assert.deepEqual([two.host.jobs, two.host.workers], [0, 0]);
    await assert.rejects(one.jobs.terminate(done?.id ?? '', 'requested'), { code: 'unavailable' });
    await assert.rejects(one.jobs.terminate(lost?.id ?? '', 'requested'), { code: 'unavailable' });
  }));

test('what is known of workers is kept for a minute, and forgotten when a new kind registers', async () => {
  const bus = new LocalBus();
  let now = 0;
  const one = await TestNode.start(bus, 'ND_one', () => now);
  const two = await TestNode.start(bus, 'ND_two');
  let asked = 0;
  await bus.subscribe('AgentInternal|CheckEnabled|REQ', () => {
    asked += 1;
  });
  await one.launch();
  await one.launch();
  assert.equal(asked, 1);
  now = 60_000;
  await one.launch();
  assert.equal(asked, 2);
  await connect(two);
  assert.equal((await one.launch()).length, 1);
  assert.equal(asked, 3);
  await connect(two);
  await one.launch();
  assert.equal(asked, 3);
  await one.close();
  await two.close();
});

test('CheckEnabled tells names, namespaces and types once each', () =>
  fleet(async (one, two) => {
    await connect(two, { agentName: 'b', namespace: 'x' });
    await connect(two, { agentName: 'a', namespace: 'x', type: JobType.JT_PUBLISHER });
    await connect(two, { agentName: 'a', namespace: 'x', type: JobType.JT_PUBLISHER });
    const answers = [];
    const request = new CheckEnabledRequest();
    for await (const answer of one.client.callAll(AgentInternal.CheckEnabled, '', request, { timeoutMs: 100 })) {
      if (answer.agentNames.length > 0) answers.push(answer.toJson({ emitDefaultValues: true }));
    }
    assert.deepEqual(answers, [
      {
        roomEnabled: true,
        publisherEnabled: true,
        participantEnabled: false,
        namespaces: ['x'],
        agentNames: ['a', 'b'],
      },
    ]);
  }));

test('a worker speaks JSON as well, and is answered in it', () =>
  fleet(async (one) => {
    const worker = await connect(one, { json: true });
    assert.match(worker.id, /^AW_/);
    worker.say({ case: 'ping', value: new WorkerPing({ timestamp: 5n }) });
    const { message } = worker.received.at(-1) ?? {};
    assert.equal(message?.case === 'pong' && message.value.lastTimestamp, 5n);
    assert.equal((await one.launch()).length, 1);
  }));

test('a worker that does not register in time, or says something else first, is closed', () =>
  fleet(async (one) => {
    const late = await connect(one, { silent: true, registerMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(late.closeCode, 1008);
    const early = await connect(one, { silent: true });
    early.say({ case: 'updateWorker', value: new UpdateWorkerStatus() });
    assert.equal(early.closeCode, 1008);
    const garbled = await connect(one, { silent: true });
    garbled.raw(new Uint8Array([0xff, 0xff]));
    assert.equal(garbled.closeCode, 1008);
    const reserved = await connect(one, { deployment: 'a_b' });
    assert.deepEqual([reserved.closeCode, reserved.received], [1008, []]);
    const unknown = await connect(one, { type: 9 as JobType });
    assert.equal(unknown.closeCode, 1008);
    assert.equal(one.host.workers, 0);
  }));

test('a worker can try a job of its own', () =>
  fleet(async (one) => {
    const worker = await connect(one, { agentName: 'name' });
    worker.raw('{"simulateJob":{"room":{"name":"tried"}}}');
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const [assignment] = worker.assignments;
    assert.deepEqual([assignment?.job?.room?.name, assignment?.job?.agentName], ['tried', 'name']);
    worker.raw('{"migrateJob":{"jobIds":["AJ_x"]}}');
    assert.equal(worker.closeCode, undefined);
  }));

test('without the bus jobs go to the workers of the node itself', () =>
  fleet(async (one, _two, bus) => {
    const worker = await connect(one);
    await one.launch();
    await bus.close();
    const [job] = await one.launch();
    assert.equal(worker.assignments.length, 2);
    assert.equal((await one.jobs.terminate(job?.id ?? '', 'requested')).status, JobStatus.JS_SUCCESS);
  }));

test('a draining node sends its workers away one by one and takes no more, until that is undone', () =>
  fleet(async (one) => {
    const workers = [await connect(one), await connect(one)];
    await one.host.drain(1, new AbortController().signal);
    assert.deepEqual(
      workers.map(({ closeCode }) => closeCode),
      [1001, 1001],
    );
    assert.equal((await connect(one)).closeCode, 1001);
    one.host.undrain();
    assert.match((await connect(one)).id, /^AW_/);
  }));
