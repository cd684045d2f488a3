/** The API of one node about rooms of another (livekit-facts 13.2). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TrackSource } from '@livekit/rtc-node';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom } from '../e2e/support/server.ts';
import { Client, WAYS } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, until } from './support/fleet.ts';

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

test('both nodes list the rooms of both, all of them or by name', async () => {
  const [mine, yours] = [freshRoom(), freshRoom()];
  await one.rooms.createRoom({ name: mine, nodeId: one.id });
  await one.rooms.createRoom({ name: yours, nodeId: two.id });
  for (const node of [one, two]) {
    const names = (await node.rooms.listRooms()).map(({ name }) => name);
    assert.deepEqual(names.sort(), [mine, yours].sort());
    assert.deepEqual(
      (await node.rooms.listRooms([yours])).map(({ name }) => name),
      [yours],
    );
  }
});

test('metadata of a room without participants is changed through the other node', async () => {
  const name = freshRoom();
  await one.rooms.createRoom({ name, nodeId: one.id });
  const room = await two.rooms.updateRoomMetadata(name, 'updated metadata');
  assert.equal(room.metadata, 'updated metadata');
  assert.equal((await one.rooms.listRooms([name]))[0]?.metadata, 'updated metadata');
});

for (const { way, singlePeerConnection } of WAYS) {
  /** Whose room is on the first node, and who joined through the second. */
  async function relayed(identity: string): Promise<{ room: string; client: Client }> {
    const room = freshRoom();
    await one.rooms.createRoom({ name: room, nodeId: one.id });
    return { room, client: await Client.join(two.url, room, identity, { singlePeerConnection }) };
  }

  test(`metadata of a room with participants is changed and told to them, with ${way}`, async () => {
    const { room, client } = await relayed('client');
    const changed = await two.rooms.updateRoomMetadata(room, 'updated metadata');
    assert.equal(changed.metadata, 'updated metadata');
    await until('the client was told', () => client.room.metadata === 'updated metadata');
    await client.leave();
  });

  test(`who was removed is in no list at once, with ${way}`, async () => {
    const { room, client } = await relayed('removed');
    await two.rooms.removeParticipant(room, 'removed');
    assert.deepEqual(await two.rooms.listParticipants(room), []);
    assert.deepEqual(await one.rooms.listParticipants(room), []);
    await until('the client was told', () => client.count('disconnected PARTICIPANT_REMOVED') === 1);
  });

  test(`metadata of a participant is in the answer that changed it, with ${way}`, async () => {
    const { room, client } = await relayed('client');
    for (const [index, node] of [one, two].entries()) {
      const info = await node.rooms.updateParticipant(room, 'client', { metadata: `new ${index}` });
      assert.equal(info.metadata, `new ${index}`);
    }
    await client.leave();
  });

  test(`a published track is muted, and the answer says so, with ${way}`, async () => {
    const { room, client } = await relayed('client');
    const sid = await client.show();
    await client.show('screen', TrackSource.SOURCE_SCREENSHARE);
    const both = async () => (await two.rooms.getParticipant(room, 'client')).tracks.length === 2;
    await until('the API shows both tracks', both);
    const track = await two.rooms.mutePublishedTrack(room, 'client', sid, true);
    assert.deepEqual([track.sid, track.muted], [sid, true]);
    await client.leave();
  });

  test(`data of the API reaches clients of both nodes, with ${way}`, async () => {
    const { room, client } = await relayed('relayed');
    const local = await Client.join(one.url, room, 'local', { singlePeerConnection });
    await two.rooms.sendData(room, new TextEncoder().encode('for all'), 0, {});
    await Promise.all([client.hears(': for all'), local.hears(': for all')]);
    await Promise.all([client.leave(), local.leave()]);
  });
}
