/** A node of ours and a livekit-server node on one Redis serve each other's rooms: how people migrate. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { JobType } from '@livekit/protocol';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom, joinToken } from '../e2e/support/server.ts';
import { connect, v0, v1 } from '../e2e/support/signal.ts';
import { Client, Pair, WAYS } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, until, WITHOUT_LIVEKIT } from './support/fleet.ts';
import { Worker } from './support/worker.ts';

let cluster: Cluster;
let ours: ClusterNode;
let livekit: ClusterNode;

before(async () => {
  if (WITHOUT_LIVEKIT) return;
  cluster = await Cluster.start({ nodes: [{ kind: 'sluice' }, { kind: 'livekit' }] });
  [ours, livekit] = [cluster.node(0), cluster.node(1)];
});

after(async () => {
  await cluster?.stop();
  await dispose();
});

const options = { skip: WITHOUT_LIVEKIT };

/** A room held by one, and the two kinds as who holds it and who relays. */
async function held(by: 'sluice' | 'livekit') {
  const room = freshRoom();
  const [holder, relay] = by === 'sluice' ? [ours, livekit] : [livekit, ours];
  await relay.rooms.createRoom({ name: room, nodeId: holder.id });
  return { room, holder, relay };
}

for (const by of ['sluice', 'livekit'] as const) {
  for (const { way, singlePeerConnection } of WAYS) {
    test(`a call over both, in a room of ${by}, with ${way}`, options, async () => {
      const { room, holder, relay } = await held(by);
      const pair = await Pair.call([holder.url, relay.url], room, { singlePeerConnection });
      await pair.second.say('through the relay');
      await pair.first.hears('second: through the relay');
      await pair.second.room.localParticipant?.setAttributes({ key: 'value' });
      await until('the change is seen', () => pair.first.remote('second')?.attributes.key === 'value');
      await pair.second.leave();
      await until('the leave is seen', () => pair.first.others.length === 0, 2_000);
      await pair.first.leave();
    });
  }

  test(`the API of both works for a room of ${by}`, options, async () => {
    const { room, holder, relay } = await held(by);
    for (const node of [holder, relay]) {
      const client = await Client.join(relay.url, room, 'client');
      const sid = await client.show();
      const whom = `through ${node.kind}`;
      assert.equal((await node.rooms.listRooms([room])).length, 1);
      assert.equal((await node.rooms.listParticipants(room))[0]?.identity, 'client');
      assert.equal((await node.rooms.updateParticipant(room, 'client', { metadata: whom })).metadata, whom);
      assert.equal((await node.rooms.updateRoomMetadata(room, whom)).metadata, whom);
      await until('the client was told', () => client.room.metadata === whom);
      await node.rooms.sendData(room, new TextEncoder().encode(whom), 0, {});
      await client.hears(`: ${whom}`);
      const published = async () => (await node.rooms.getParticipant(room, 'client')).tracks.length === 1;
      await until('the track is shown', published);
      assert.equal((await node.rooms.mutePublishedTrack(room, 'client', sid, true)).muted, true);
      await node.rooms.removeParticipant(room, 'client');
      assert.deepEqual(await node.rooms.listParticipants(room), []);
      await until('the client was told', () => client.count('disconnected PARTICIPANT_REMOVED') === 1);
      await client.leave();
    }
  });

  test(`a room of ${by} is deleted through the other`, options, async () => {
    const { room, holder, relay } = await held(by);
    const client = await Client.join(relay.url, room, 'client');
    await relay.rooms.deleteRoom(room);
    await until('the client was told', () => client.count('disconnected ROOM_DELETED') === 1);
    for (const node of [holder, relay]) assert.deepEqual(await node.rooms.listRooms([room]), []);
  });

  test(`a worker at the other gets the job of a room of ${by}`, options, async () => {
    const relay = by === 'sluice' ? livekit : ours;
    const worker = await Worker.start(relay.url, JobType.JT_ROOM, `worker-${by}`);
    const { room } = await held(by);
    await relay.dispatches.createDispatch(room, `worker-${by}`);
    const assigned = await until('the worker has the job', () => worker.assigned[0]);
    assert.equal(assigned.job?.room?.name, room);
    worker.close();
  });

  test(`signal connections of both kinds are relayed to a room of ${by}`, options, async () => {
    const { room, relay } = await held(by);
    for (const query of [v0, v1]) {
      const client = await connect(relay.url + query(await joinToken(room, 'client')));
      const { message } = await client.next('join');
      assert.ok(message.case === 'join');
      assert.equal(message.value.room?.name, room);
      client.close();
    }
  });
}

test('rooms go to ours while livekit-server drains, and its own goes on', options, async () => {
  const { room, holder, relay } = await held('livekit');
  const pair = await Pair.call([holder.url, relay.url], room);
  livekit.child.kill('SIGTERM');
  // It tells of its state with its next heartbeat.
  await until('it drains', () => /shutting|shutdown|exit requested/i.test(livekit.output()));
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  for (let count = 0; count < 4; count++) {
    const fresh = freshRoom();
    const client = await Client.join(ours.url, fresh, 'client');
    const node = await cluster.redis.command('HGET', 'room_node_map', fresh);
    assert.equal(String(node), ours.id);
    await client.leave();
  }
  await pair.flows();
  assert.equal(pair.events('reconnecting'), 0);
  await pair.leave();
  await livekit.stop();
  const again = await Pair.call([ours.url, ours.url], room);
  await again.leave();
});
