/** Workers of agents at one node (livekit-facts 11.2, 13.3: Agents, AgentNamespaces), and what they may not do. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { JobType, RegisterWorkerRequest, RoomAgentDispatch, WorkerMessage } from '@livekit/protocol';
import { AccessToken, AgentDispatchClient } from 'livekit-server-sdk';
import { WebSocket } from 'ws';
import { Client } from '../cluster/support/client.ts';
import { until } from '../cluster/support/fleet.ts';
import { Worker } from '../cluster/support/worker.ts';
import { dispose } from './support/sdk.ts';
import { freshRoom, joinToken, KEY, SECRET, startServer, type TestServer } from './support/server.ts';

/** Released livekit-servers have no limit of messages of workers. */
const OTHER = process.env.E2E_SERVER !== undefined;

let server: TestServer;
let dispatches: AgentDispatchClient;

before(async () => {
  server = await startServer({
    ...(OTHER ? {} : { limit: { agent_signal_message_size_limit: 10_000 } }),
    agents: { enable_user_data_recording: true, target_load: 0.5 },
  });
  dispatches = new AgentDispatchClient(server.httpUrl, KEY, SECRET);
});

after(async () => {
  await server?.stop();
  await dispose();
});

test('of two workers for each type of job exactly one gets each job', async () => {
  const types = [JobType.JT_ROOM, JobType.JT_PUBLISHER, JobType.JT_PARTICIPANT];
  const workers = await Promise.all([...types, ...types].map((type) => Worker.start(server.url, type)));
  const counts = () =>
    types.map((_, index) => (workers[index]?.assigned.length ?? 0) + (workers[index + 3]?.assigned.length ?? 0));
  const reached = (...wanted: number[]) => until(`${wanted} jobs`, () => `${counts()}` === `${wanted}`);
  const room = freshRoom();
  const first = await Client.join(server.url, room, 'first');
  const second = await Client.join(server.url, room, 'second');
  await reached(1, 0, 2);
  await first.show();
  await reached(1, 1, 2);
  await second.show();
  await reached(1, 2, 2);
  await first.show('another');
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(counts(), [1, 2, 2]);
  assert.ok(workers.every(({ assigned }) => assigned.every(({ job }) => job?.enableRecording === true)));
  await first.leave();
  await second.leave();
  for (const worker of workers) worker.close();
});

test('a dispatch without a name makes one job in each namespace, a named one goes to workers of the name', async () => {
  const unnamed = await Promise.all(
    ['', 'one', 'two'].map((space) => Worker.start(server.url, JobType.JT_ROOM, '', space)),
  );
  const named = await Worker.start(server.url, JobType.JT_ROOM, 'ag');
  const room = freshRoom();
  const agents = [new RoomAgentDispatch(), new RoomAgentDispatch({ agentName: 'ag' })];
  await server.rooms.createRoom({ name: room, agents });
  const all = [...unnamed, named];
  await until('each worker has a job', () => all.every(({ assigned }) => assigned.length === 1));
  const jobs = all.map(({ assigned }) => assigned[0]?.job);
  assert.equal(new Set(jobs.map((job) => job?.id)).size, 4);
  assert.equal(new Set(jobs.map((job) => job?.dispatchId)).size, 2);
  // A dispatch lists a job when its node has heard of the worker's answer.
  const listed = async () =>
    (await dispatches.listDispatch(room)).map((one) => `${one.agentName}${one.state?.jobs.length}`);
  await until('all jobs are listed', async () => `${(await listed()).toSorted()}` === '3,ag1');
  await server.rooms.deleteRoom(room);
  for (const worker of all) worker.close();
});

test('a worker needs a token for agents', async () => {
  for (const token of [undefined, await joinToken('room', 'somebody'), 'garbage']) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${server.url}/agent`, { headers });
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    assert.equal(response.statusCode, 401);
    socket.on('error', () => {});
    socket.terminate();
  }
  assert.equal((await fetch(`${server.httpUrl}/agent`)).status, 404);
});

test('messages of workers have a limit of their own', { skip: OTHER }, async () => {
  const token = new AccessToken(KEY, SECRET, { ttl: '1h' });
  token.addGrant({ agent: true });
  const socket = new WebSocket(`${server.url}/agent`, { headers: { authorization: `Bearer ${await token.toJwt()}` } });
  await once(socket, 'open');
  const closed = once(socket, 'close');
  const value = new RegisterWorkerRequest({ type: JobType.JT_ROOM, version: 'v'.repeat(11_000) });
  socket.send(new WorkerMessage({ message: { case: 'register', value } }).toBinary());
  const [code] = (await closed) as [number];
  assert.equal(code, 1009);
});
