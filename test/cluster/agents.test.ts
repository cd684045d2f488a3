/** Agents whose worker is at one node and whose room is on another (livekit-facts 13.3, AgentMultiNode). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { JobType, ParticipantInfo_Kind as Kind } from '@livekit/protocol';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom } from '../e2e/support/server.ts';
import { connect, v1 } from '../e2e/support/signal.ts';
import { Client } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, until } from './support/fleet.ts';
import { Worker } from './support/worker.ts';

let cluster: Cluster;
let one: ClusterNode;
let two: ClusterNode;

before(async () => {
  cluster = await Cluster.start({ nodes: 2 });
  [one, two] = [cluster.node(0), cluster.node(1)];
});

after(async () => {
  await cluster?.stop();
  await dispose();
});

test('a worker gets the jobs of a room on another node, one of each kind, and its agent joins', async () => {
  const types = [JobType.JT_ROOM, JobType.JT_PUBLISHER, JobType.JT_PARTICIPANT];
  const workers = await Promise.all(types.map((type) => Worker.start(one.url, type)));
  const room = freshRoom();
  await two.rooms.createRoom({ name: room, nodeId: two.id });
  const client = await Client.join(two.url, room, 'client');
  await client.show();
  await until('each worker has a job', () => workers.every(({ assigned }) => assigned.length === 1));
  for (const [index, { assigned }] of workers.entries()) {
    const job = assigned[0]?.job;
    assert.deepEqual([job?.type, job?.room?.name], [types[index], room]);
    assert.equal(job?.participant?.identity ?? 'client', 'client');
  }
  const agent = await connect(one.url + v1(workers[0]?.assigned[0]?.token ?? ''));
  const { message } = await agent.next('join');
  assert.ok(message.case === 'join');
  assert.deepEqual([message.value.room?.name, message.value.participant?.kind], [room, Kind.AGENT]);
  await until('the client sees the agent', () => client.others.length === 1);
  // Jobs are never given twice.
  assert.deepEqual(
    workers.map(({ offered }) => offered.length),
    [1, 1, 1],
  );
  agent.close();
  await client.leave();
  for (const worker of workers) worker.close();
});

test('a dispatch that the API of one node creates for a room of the other reaches a worker at either', async () => {
  for (const [index, node] of [one, two].entries()) {
    const agentName = `named-${index}`;
    const worker = await Worker.start(node.url, JobType.JT_ROOM, agentName);
    const room = freshRoom();
    await one.rooms.createRoom({ name: room, nodeId: two.id });
    const dispatch = await one.dispatches.createDispatch(room, agentName, { metadata: 'of the dispatch' });
    const assigned = await until('the worker has the job', () => worker.assigned[0]);
    assert.deepEqual(
      [assigned.job?.dispatchId, assigned.job?.metadata, assigned.job?.agentName],
      [dispatch.id, 'of the dispatch', agentName],
    );
    // Beside it there may be one of the room itself, for workers without a name.
    const named = async () => (await two.dispatches.listDispatch(room)).filter((one) => one.agentName === agentName);
    assert.deepEqual(
      (await named()).map(({ id }) => id),
      [dispatch.id],
    );
    await one.dispatches.deleteDispatch(dispatch.id, room);
    assert.deepEqual(await named(), []);
    await one.rooms.deleteRoom(room);
    worker.close();
  }
});
