/** Clients of one room on different nodes (livekit-facts 13.2). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RequestResponse_Reason as Reason, SignalRequest } from '@livekit/protocol';
import { TrackSource } from '@livekit/rtc-node';
import { decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { TestBrowser } from '../e2e/support/browser.ts';
import { dispose } from '../e2e/support/sdk.ts';
import { freshRoom, joinToken, SECRET } from '../e2e/support/server.ts';
import { connect, type SignalClient, v0, v1 } from '../e2e/support/signal.ts';
import { Client, WAYS } from './support/client.ts';
import { Cluster } from './support/cluster.ts';
import { type ClusterNode, until } from './support/fleet.ts';

let cluster: Cluster;
let one: ClusterNode;
let two: ClusterNode;

before(async () => {
  const config = { enable_participant_data_blob: true };
  cluster = await Cluster.start({ nodes: 2, config });
  [one, two] = [cluster.node(0), cluster.node(1)];
});

after(async () => {
  await cluster?.stop();
  await dispose();
});

/** A room that this node holds. */
async function roomOn(node: ClusterNode): Promise<string> {
  const name = freshRoom();
  await node.rooms.createRoom({ name, nodeId: node.id });
  return name;
}

/** How bare signal connections ask, one for each kind of peer connections. */
const PATHS = [
  { path: '/rtc', query: v0 },
  { path: '/rtc/v1', query: v1 },
] as const;

for (const { way, singlePeerConnection } of WAYS) {
  test(`a client of another node gets tracks, names and metadata, with ${way}`, async () => {
    const room = await roomOn(one);
    const token = { name: 'First', metadata: 'of the first' };
    const first = await Client.join(one.url, room, 'first', { singlePeerConnection, token });
    const second = await Client.join(two.url, room, 'second', { singlePeerConnection });
    await first.show();
    await second.sees('first');
    const seen = second.remote('first');
    assert.deepEqual([seen?.sid, seen?.name, seen?.metadata], [first.sid, 'First', 'of the first']);
    await second.show();
    await first.sees('second');
    await Promise.all([first.leave(), second.leave()]);
  });

  test(`a room comes to be where nobody created it, with ${way}`, async () => {
    const room = freshRoom();
    const client = await Client.join(one.url, room, 'client', { singlePeerConnection });
    assert.equal((await two.rooms.listRooms([room])).length, 1);
    await client.leave();
  });

  test(`tracks come and go with who publishes them, who returns through another node, with ${way}`, async () => {
    const room = freshRoom();
    const options = { singlePeerConnection };
    const first = await Client.join(one.url, room, 'first', options);
    const second = await Client.join(two.url, room, 'second', options);
    const third = await Client.join(one.url, room, 'third', options);
    const publish = (client: Client) =>
      Promise.all([client.show(), client.show('screen', TrackSource.SOURCE_SCREENSHARE)]);
    await Promise.all([publish(first), publish(second)]);
    const four = () => third.tracksOf('first') === 2 && third.tracksOf('second') === 2;
    await until('the third has four tracks', four);
    await second.leave();
    const gone = () => third.others.join() === 'first' && first.others.join() === 'third';
    await until('the second is gone for both', gone);
    assert.equal(third.tracksOf('first'), 2);
    const again = await Client.join(one.url, room, 'second', options);
    await publish(again);
    const back = () => third.tracksOf('second') === 2 && first.tracksOf('second') === 2;
    await until('both have its tracks again', back);
    await Promise.all([first.leave(), again.leave(), third.leave()]);
  });

  test(`a client receives before it publishes, and its leave is seen at once, with ${way}`, async () => {
    const room = await roomOn(two);
    const first = await Client.join(one.url, room, 'first', { singlePeerConnection });
    const second = await Client.join(one.url, room, 'second', { singlePeerConnection });
    await first.show();
    await second.sees('first');
    await second.show();
    await first.sees('second');
    await second.leave();
    await until('the first is alone', () => first.others.length === 0, 2_000);
    await first.leave();
  });

  test(`data reaches a client of another node, with its sender, with ${way}`, async () => {
    const room = await roomOn(one);
    const first = await Client.join(one.url, room, 'first', { singlePeerConnection });
    const second = await Client.join(two.url, room, 'second', { singlePeerConnection });
    await until('they see each other', () => first.others.length === 1 && second.others.length === 1);
    await first.say('to the second');
    await second.hears('first: to the second');
    await second.say('to the first');
    await first.hears('second: to the first');
    await Promise.all([first.leave(), second.leave()]);
  });

  test(`a room that was deleted is joined anew, with ${way}`, async () => {
    const room = await roomOn(two);
    const first = await Client.join(one.url, room, 'first', { singlePeerConnection });
    await one.rooms.deleteRoom(room);
    await until('the client was told', () => first.count('disconnected ROOM_DELETED') === 1);
    const second = await Client.join(one.url, room, 'second', { singlePeerConnection });
    assert.deepEqual(second.others, []);
    await second.leave();
  });

  test(`attributes are changed by those who may, and by the API of any node, with ${way}`, async () => {
    const room = await roomOn(one);
    const common = { singlePeerConnection };
    const first = await Client.join(one.url, room, 'first', {
      ...common,
      grant: { canUpdateOwnMetadata: false },
      token: { attributes: { mykey: 'first' } },
    });
    const second = await Client.join(two.url, room, 'second', {
      ...common,
      token: { attributes: { mykey: 'second' } },
    });
    const initial = () =>
      first.remote('second')?.attributes.mykey === 'second' && second.remote('first')?.attributes.mykey === 'first';
    await until('each sees the attributes of the other', initial);
    // What the SDK makes of the refusal is its own affair: nobody may see the change.
    await first.room.localParticipant?.setAttributes({ mykey: 'changed' }).catch(() => {});
    await second.room.localParticipant?.setAttributes({ secondkey: 'second' });
    await two.rooms.updateParticipant(room, 'first', { attributes: { secondkey: 'first' } });
    const changed = () =>
      first.remote('second')?.attributes.secondkey === 'second' &&
      second.remote('first')?.attributes.secondkey === 'first';
    await until('each sees what was added', changed);
    assert.deepEqual(second.remote('first')?.attributes, { mykey: 'first', secondkey: 'first' });
    assert.deepEqual(first.remote('second')?.attributes, { mykey: 'second', secondkey: 'second' });
    await Promise.all([first.leave(), second.leave()]);
  });

  test(`who may not publish any more has its tracks taken, with ${way}`, async () => {
    const room = await roomOn(one);
    const first = await Client.join(two.url, room, 'first', { singlePeerConnection });
    const second = await Client.join(one.url, room, 'second', { singlePeerConnection });
    await Promise.all([first.show(), first.show('screen', TrackSource.SOURCE_SCREENSHARE)]);
    await until('the second has both tracks', () => second.tracksOf('first') === 2);
    const permission = { canPublish: false, canPublishData: true, canSubscribe: true };
    await two.rooms.updateParticipant(room, 'first', { permission });
    const none = () => second.remote('first')?.trackPublications.size === 0;
    await until('the second sees no track of the first', none);
    const { tracks } = await one.rooms.getParticipant(room, 'first');
    assert.deepEqual(tracks, []);
    await Promise.all([first.leave(), second.leave()]);
  });

  test(`a new join lands on the living node at once after the node of its room was stopped, with ${way}`, async () => {
    const [node] = await cluster.fleet.add({ redis: { address: `127.0.0.1:${cluster.redis.port}` } });
    assert.ok(node !== undefined);
    const room = await roomOn(node);
    const first = await Client.join(one.url, room, 'first', { singlePeerConnection });
    const second = await Client.join(node.url, room, 'second', { singlePeerConnection });
    await until('they see each other', () => first.others.length === 1 && second.others.length === 1);
    await Promise.all([first.leave(), second.leave()]);
    await node.stop();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const third = await Client.join(one.url, room, 'third', { singlePeerConnection });
    await third.leave();
  });
}

test('a room that was created and never joined is deleted through the other node', async () => {
  const room = await roomOn(one);
  await two.rooms.deleteRoom(room);
  assert.deepEqual(await one.rooms.listRooms([room]), []);
});

for (const { path, query } of PATHS) {
  test(`a relayed client is given tokens that say what the API changed, over ${path}`, async () => {
    const room = await roomOn(one);
    const client = await connect(two.url + query(await joinToken(room, 'client')));
    await client.next('join');
    const permission = { canPublish: false, canPublishData: false, canSubscribe: true };
    await two.rooms.updateParticipant(room, 'client', { metadata: 'metadata', permission });
    const narrowed = (claims: JWTPayload) => (claims.video as Record<string, boolean>).canPublish === false;
    const token = await nextToken(client, (claims) => claims.metadata === 'metadata' && narrowed(claims));
    const { payload } = await jwtVerify(token, new TextEncoder().encode(SECRET));
    const { canPublish, canPublishData, canSubscribe } = payload.video as Record<string, boolean>;
    assert.deepEqual([canPublish, canPublishData, canSubscribe], [false, false, true]);
    client.close();
  });

  test(`a client that never negotiated is gone when its socket closes, over ${path}`, async () => {
    const room = await roomOn(two);
    const watcher = await Client.join(two.url, room, 'watcher');
    const silent = await connect(one.url + query(await joinToken(room, 'silent')));
    await until('it was seen', () => watcher.others.join() === 'silent');
    silent.socket.terminate();
    await until('it is gone', () => watcher.others.length === 0);
    await watcher.leave();
  });

  test(`a data blob is had through another node, over ${path}`, async () => {
    const room = await roomOn(one);
    const publisher = await connect(one.url + query(await joinToken(room, 'publisher')));
    const reader = await connect(two.url + query(await joinToken(room, 'reader')));
    await Promise.all([publisher.next('join'), reader.next('join')]);
    const key = { key: { case: 'generic' as const, value: 'blob' } };
    const contents = new TextEncoder().encode('contents');
    publisher.send(request({ case: 'storeDataBlobRequest', value: { requestId: 1, blob: { key, contents } } }));
    const stored = (await publisher.next('storeDataBlobResponse', 3_000)).message;
    assert.ok(stored.case === 'storeDataBlobResponse');
    assert.deepEqual([stored.value.requestId, stored.value.key?.key.value], [1, 'blob']);
    const ask = (participantIdentity: string) =>
      reader.send(request({ case: 'getDataBlobRequest', value: { participantIdentity, key } }));
    ask('publisher');
    const got = (await reader.next('getDataBlobResponse', 3_000)).message;
    assert.ok(got.case === 'getDataBlobResponse');
    assert.equal(new TextDecoder().decode(got.value.blob?.contents), 'contents');
    ask('unknown');
    const refused = (await reader.next('requestResponse', 3_000)).message;
    assert.ok(refused.case === 'requestResponse');
    assert.equal(refused.value.reason, Reason.NOT_FOUND);
    publisher.close();
    reader.close();
  });
}

test('browsers: data of a channel of their own and data tracks', async (t) => {
  const browser = await TestBrowser.launch();
  try {
    for (const { way, singlePeerConnection } of WAYS) {
      const room = await roomOn(one);
      const [first, second] = [await browser.client(), await browser.client()];
      const join = async (identity: string, url: string) => {
        return { url, token: await joinToken(room, identity), singlePeerConnection };
      };
      await first.run((c, options) => c.join(options), await join('first', one.url));
      await second.run((c, options) => c.join(options), await join('second', two.url));
      await t.test(`data of an unlabeled channel arrives as data, with ${way}`, async () => {
        await first.run((c) => c.sendUnlabeled('of a channel of my own'));
        const texts: string[] = [];
        while (texts.length < 2) texts.push(((await second.run((c) => c.waitFor('data'))) as { text: string }).text);
        assert.deepEqual(texts.sort(), ['first', 'of a channel of my own']);
      });
      await t.test(`frames of data tracks pass, with ${way}`, async () => {
        await second.run((c) => c.publishDataTrack('numbers'));
        await first.run((c) => c.readDataTrack('second', 'numbers'));
        await second.run((c) => c.leave());
        await second.run((c, options) => c.join(options), await join('second', one.url));
        await second.run((c) => c.publishDataTrack('numbers'));
        await first.run((c) => c.readDataTrack('second', 'numbers'));
      });
      await Promise.all([first.close(), second.close()]);
    }
  } finally {
    await browser.close();
  }
});

function request(message: unknown): SignalRequest {
  return new SignalRequest({ message: message as SignalRequest['message'] });
}

async function nextToken(client: SignalClient, as: (claims: JWTPayload) => boolean): Promise<string> {
  for (;;) {
    const { message } = await client.next('refreshToken');
    if (message.case === 'refreshToken' && as(decodeJwt(message.value))) return message.value;
  }
}
