/** Agents on `@livekit/agents`, their worker at one node and their room on another. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ParticipantInfo_Kind as Kind, RoomAgentDispatch } from '@livekit/protocol';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom, KEY, SECRET } from '../e2e/support/server.ts';
import { Client } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, ONLY_OURS, until } from './support/fleet.ts';

const FOLDER = fileURLToPath(new URL('../agents/', import.meta.url));
const NAME = 'helper';

let cluster: Cluster;
let one: ClusterNode;
let two: ClusterNode;
let worker: ChildProcess;
let output = '';

before(async () => {
  const { installAgents } = await import('../agents/install.mjs');
  installAgents();
  cluster = await Cluster.start({ nodes: 2 });
  [one, two] = [cluster.node(0), cluster.node(1)];
  const settings = { LIVEKIT_URL: one.url, LIVEKIT_API_KEY: KEY, LIVEKIT_API_SECRET: SECRET, AGENT_NAME: NAME };
  worker = spawn(process.execPath, ['worker.mjs', 'start'], {
    cwd: FOLDER,
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [worker.stdout, worker.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (process.env.E2E_LOG) process.stderr.write(chunk);
    });
  }
  await until('the worker registers', () => output.includes('registered worker'), 60_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${output}`);
  });
});

after(async () => {
  if (worker?.exitCode === null) {
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  }
  await cluster?.stop();
  await dispose();
});

test('an agent gets a job, joins, says hello, and leaves when its dispatch is deleted', async () => {
  const room = freshRoom();
  await two.rooms.createRoom({ name: room, nodeId: two.id, agents: [new RoomAgentDispatch({ agentName: NAME })] });
  const client = await Client.join(two.url, room, 'client');
  const identity = await until('the agent joins', () => client.others[0], 40_000);
  await client.hears(`${identity}: hello from ${NAME}`, 20_000);
  const info = await one.rooms.getParticipant(room, identity);
  assert.deepEqual([info.kind, info.name, info.metadata], [Kind.AGENT, 'Helper', 'of the agent']);
  // The SDK adds one of its own.
  const { mood, 'lk.agent_name': name } = info.attributes;
  assert.deepEqual([mood, name], ['good', NAME]);
  // Agents do not count; the list is some seconds behind.
  const count = async () => (await one.rooms.listRooms([room]))[0]?.numParticipants;
  await until('the client alone counts', async () => (await count()) === 1);
  const [dispatch] = await one.dispatches.listDispatch(room);
  assert.equal(dispatch?.state?.jobs[0]?.state?.participantIdentity, identity);
  await one.dispatches.deleteDispatch(dispatch?.id ?? '', room);
  await until('the agent leaves', () => client.others.length === 0, 10_000);
  await client.leave();
});

test('an agent is called into a room that is there already', async () => {
  const room = freshRoom();
  await two.rooms.createRoom({ name: room, nodeId: two.id });
  const client = await Client.join(one.url, room, 'client');
  await one.dispatches.createDispatch(room, NAME);
  const identity = await until('the agent joins', () => client.others[0], 40_000);
  await client.hears(`${identity}: hello from ${NAME}`, 20_000);
  await one.rooms.deleteRoom(room);
  await client.leave();
});

test('an agent follows its room to another node, and gets no double there', { skip: ONLY_OURS }, async () => {
  const room = freshRoom();
  await two.rooms.createRoom({ name: room, nodeId: two.id, agents: [new RoomAgentDispatch({ agentName: NAME })] });
  const client = await Client.join(one.url, room, 'client');
  const identity = await until('the agent joins', () => client.others[0], 40_000);
  await client.hears(`${identity}: hello from ${NAME}`, 20_000);
  await two.kill();
  const took = performance.now();
  await until('the client is back', () => client.events.includes('reconnected'), 30_000);
  client.texts.length = 0;
  await client.hears(`${identity}: hello from ${NAME}`, 30_000);
  // As long as the new node waits for agents to come back, and a job takes to start.
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, 30_000 - (performance.now() - took))));
  assert.deepEqual(client.others, [identity]);
  await client.leave();
});
