/** The official server SDK's RoomService calls against rooms with live participants. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DataPacket_Kind, RoomServiceClient, TrackSource, TrackType } from 'livekit-server-sdk';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, KEY, startServer, type TestServer } from './support/server.ts';

let server: TestServer;
let browser: TestBrowser;

before(async () => {
  [server, browser] = await Promise.all([startServer({ room: { enable_remote_unmute: true } }), TestBrowser.launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function enter(room: string, identity: string): Promise<BrowserClient> {
  const client = await browser.client();
  const token = await joinToken(room, identity, {}, { name: identity.toUpperCase() });
  await client.run((c, options) => c.join(options), { url: server.url, token });
  return client;
}

/** Polls the API: what participants do reaches it a little later. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const value = await ask();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error('it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('rooms are created, listed, changed and deleted', async () => {
  const name = freshRoom();
  const room = await server.rooms.createRoom({ name, emptyTimeout: 60, maxParticipants: 5, metadata: 'first' });
  assert.match(room.sid, /^RM_/);
  assert.equal(room.name, name);
  assert.equal(room.maxParticipants, 5);
  assert.deepEqual(
    (await server.rooms.listRooms([name])).map((entry) => entry.sid),
    [room.sid],
  );
  assert.equal((await server.rooms.updateRoomMetadata(name, 'second')).metadata, 'second');
  const alice = await enter(name, 'alice');
  assert.equal(await alice.run((c) => c.room.metadata), 'second');
  await server.rooms.updateRoomMetadata(name, 'third');
  await alice.run((c) => c.waitFor('room-metadata', 'third'));
  await server.rooms.deleteRoom(name);
  await alice.run((c) => c.waitFor('disconnected'));
  assert.deepEqual(await server.rooms.listRooms([name]), []);
  await alice.close();
});

test('participants are listed, changed, muted and removed', async () => {
  const name = freshRoom();
  const [alice, bob] = [await enter(name, 'alice'), await enter(name, 'bob')];
  await alice.run((c) => c.showPicture({ color: 'red' }));
  await bob.run((c) => c.see('alice'));
  const info = await eventually(async () => {
    const found = await server.rooms.getParticipant(name, 'alice');
    return found.tracks.length === 1 ? found : undefined;
  });
  const [track] = info.tracks;
  assert.ok(track !== undefined);
  assert.equal(track.type, TrackType.VIDEO);
  assert.equal(track.source, TrackSource.CAMERA);
  assert.equal(track.mimeType.toLowerCase(), 'video/vp8');
  assert.equal(info.name, 'ALICE');
  const listed = await server.rooms.listParticipants(name);
  assert.deepEqual(listed.map((entry) => entry.identity).sort(), ['alice', 'bob']);

  const muted = await server.rooms.mutePublishedTrack(name, 'alice', track.sid, true);
  assert.equal(muted.muted, true);
  await bob.run((c) => c.waitFor('muted', 'alice camera'));
  await server.rooms.mutePublishedTrack(name, 'alice', track.sid, false);
  await bob.run((c) => c.waitFor('unmuted', 'alice camera'));

  const updated = await server.rooms.updateParticipant(name, 'alice', {
    metadata: 'from the server',
    name: 'Alice B.',
    attributes: { role: 'host' },
  });
  assert.equal(updated.metadata, 'from the server');
  assert.equal(updated.attributes.role, 'host');
  await bob.run((c) => c.waitFor('metadata', 'alice from the server'));

  await server.rooms.updateSubscriptions(name, 'bob', [track.sid], false);
  await bob.run((c) => c.waitFor('unsubscribed', 'alice camera'));
  await server.rooms.updateSubscriptions(name, 'bob', [track.sid], true);
  assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');

  await server.rooms.updateParticipant(name, 'alice', {
    permission: { canPublish: false, canSubscribe: true, canPublishData: true },
  });
  await bob.run((c) => c.waitFor('unpublished', 'alice camera'));

  await server.rooms.removeParticipant(name, 'alice');
  await alice.run((c) => c.waitFor('disconnected'));
  await bob.run((c) => c.waitFor('left', 'alice'));
  assert.deepEqual(
    (await server.rooms.listParticipants(name)).map((entry) => entry.identity),
    ['bob'],
  );
  await Promise.all([alice.close(), bob.close()]);
});

test('data from the server reaches everybody or the one named', async () => {
  const name = freshRoom();
  const [alice, bob] = [await enter(name, 'alice'), await enter(name, 'bob')];
  const send = (text: string, kind: DataPacket_Kind, destinationIdentities: string[] = []) =>
    server.rooms.sendData(name, new TextEncoder().encode(text), kind, { topic: 'news', destinationIdentities });
  await send('for all', DataPacket_Kind.RELIABLE);
  await send('for bob', DataPacket_Kind.RELIABLE, ['bob']);
  await send('last', DataPacket_Kind.RELIABLE);
  for (const text of ['for all', 'for bob', 'last']) {
    await bob.run((c, detail) => c.waitFor('data', detail), { from: '', text, kind: 0, topic: 'news' });
  }
  await alice.run((c, detail) => c.waitFor('data', detail), { from: '', text: 'last', kind: 0, topic: 'news' });
  assert.equal(await alice.run((c) => c.count('data')), 1);
  await Promise.all([alice.close(), bob.close()]);
});

test('errors carry the codes and texts that SDKs look for', async () => {
  const name = freshRoom();
  const alice = await enter(name, 'alice');
  await assert.rejects(server.rooms.getParticipant(name, 'nobody'), {
    code: 'not_found',
    message: /participant does not exist/,
  });
  await assert.rejects(server.rooms.mutePublishedTrack(name, 'alice', 'TR_unknown', true), { code: 'not_found' });
  await assert.rejects(server.rooms.removeParticipant(name, 'nobody'), { code: 'not_found' });
  await assert.rejects(server.rooms.deleteRoom('no such room'), { code: 'not_found' });
  await assert.rejects(server.rooms.updateParticipant(name, 'nobody', { metadata: 'x' }), { code: 'not_found' });
  await assert.rejects(server.rooms.createRoom({ name: 'x'.repeat(257) }), { code: 'invalid_argument' });
  const stranger = new RoomServiceClient(server.httpUrl, KEY, 'another secret of sufficient length');
  await assert.rejects(stranger.listRooms(), { status: 401 });
  await alice.close();
});
