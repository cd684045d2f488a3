/** What participants say of themselves, and who may change it (livekit-facts 2.4, 3.6, 3.11). */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type ParticipantInfo,
  RequestResponse_Reason as Reason,
  SignalRequest,
  UpdateParticipantMetadata,
} from '@livekit/protocol';
import { decodeJwt } from 'jose';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';
import { base64, connect, type SignalClient, v0, v1 } from './support/signal.ts';

let server: TestServer;

before(async () => {
  server = await startServer();
});

after(async () => {
  await server?.stop();
});

async function ownInfo(client: SignalClient): Promise<ParticipantInfo> {
  const { message } = await client.next('join');
  assert.ok(message.case === 'join' && message.value.participant !== undefined);
  return message.value.participant;
}

function change(client: SignalClient, update: ConstructorParameters<typeof UpdateParticipantMetadata>[0]): void {
  const value = new UpdateParticipantMetadata(update);
  client.send(new SignalRequest({ message: { case: 'updateMetadata', value } }));
}

async function answer(client: SignalClient) {
  const { message } = await client.next('requestResponse');
  assert.ok(message.case === 'requestResponse');
  return message.value;
}

/** Waits until an update shows this identity as wanted. */
async function untilSeen(client: SignalClient, identity: string, as: (info: ParticipantInfo) => boolean) {
  for (;;) {
    const { message } = await client.next('update');
    if (message.case !== 'update') continue;
    const found = message.value.participants.find((info) => info.identity === identity && as(info));
    if (found !== undefined) return found;
  }
}

/** The claims of the newest token a client was given. */
async function untilToken(client: SignalClient, as: (claims: Record<string, unknown>) => boolean) {
  for (;;) {
    const { message } = await client.next('refreshToken');
    if (message.case !== 'refreshToken') continue;
    const claims = decodeJwt(message.value);
    if (as(claims)) return claims;
  }
}

test('attributes and metadata of the request are laid over those of the token', async () => {
  const room = freshRoom();
  const token = await joinToken(room, 'alice', {}, { attributes: { a: '0', b: '1' }, metadata: 'token' });
  const alice = await connect(
    server.url + v1(token, { participantAttributes: { b: '2', c: '3', a: '' }, metadata: 'own' }),
  );
  const info = await ownInfo(alice);
  assert.deepEqual([info.attributes, info.metadata], [{ a: '0', b: '2', c: '3' }, 'own']);
  alice.close();

  const attributes = base64(Buffer.from(JSON.stringify({ b: '4' })));
  const old = await connect(server.url + v0(token, { attributes }));
  assert.deepEqual((await ownInfo(old)).attributes, { a: '0', b: '4' });
  old.close();
});

test('attributes without the grant for it are refused', async () => {
  const token = await joinToken(freshRoom(), 'alice', { canUpdateOwnMetadata: false });
  const url = server.httpUrl + v1(token, { metadata: 'own' }).replace('/rtc/v1', '/rtc/v1/validate');
  assert.equal((await fetch(url)).status, 401);
});

test('a participant changes itself: it is told so, others see it, and the next token says it', async () => {
  const room = freshRoom();
  const alice = await connect(server.url + v0(await joinToken(room, 'alice', {}, { attributes: { x: '1', y: '2' } })));
  const bob = await connect(server.url + v0(await joinToken(room, 'bob')));
  await bob.next('join');
  change(alice, { requestId: 7, name: 'Alice', metadata: 'm', attributes: { x: '', z: '3' } });
  const { reason, requestId, request } = await answer(alice);
  assert.deepEqual([reason, requestId, request.case], [Reason.OK, 7, 'updateMetadata']);
  const seen = await untilSeen(bob, 'alice', ({ attributes }) => attributes.z === '3');
  assert.deepEqual([seen.name, seen.metadata, seen.attributes], ['Alice', 'm', { y: '2', z: '3' }]);
  const claims = await untilToken(alice, ({ attributes }) => JSON.stringify(attributes).includes('z'));
  assert.deepEqual([claims.name, claims.metadata, claims.sub], ['Alice', 'm', 'alice']);
  alice.close();
  bob.close();
});

test('changes that are too large or not allowed are answered with the reason', async () => {
  const room = freshRoom();
  const alice = await connect(server.url + v0(await joinToken(room, 'alice')));
  const bob = await connect(server.url + v0(await joinToken(room, 'bob', { canUpdateOwnMetadata: false })));
  for (const update of [
    { metadata: 'x'.repeat(600_000) },
    { attributes: { a: 'x'.repeat(70_000) } },
    { name: 'x'.repeat(300) },
  ]) {
    change(alice, { requestId: 1, ...update });
    assert.equal((await answer(alice)).reason, Reason.LIMIT_EXCEEDED);
  }
  change(bob, { requestId: 2, metadata: 'm' });
  assert.equal((await answer(bob)).reason, Reason.NOT_ALLOWED);
  alice.close();
  bob.close();
});

test('permissions that the server takes away are in the next token', async () => {
  const room = freshRoom();
  const alice = await connect(server.url + v0(await joinToken(room, 'alice')));
  await alice.next('join');
  const permission = { canPublish: false, canSubscribe: true, canPublishData: false };
  const updated = await server.rooms.updateParticipant(room, 'alice', { permission });
  assert.equal(updated.permission?.canPublish, false);
  await untilSeen(alice, 'alice', (info) => info.permission?.canPublish === false);
  const claims = await untilToken(alice, ({ video }) => (video as { canPublish?: boolean }).canPublish === false);
  const video = claims.video as Record<string, unknown>;
  assert.deepEqual([video.canPublishData, video.canSubscribe, video.room], [false, true, room]);
  alice.close();
});

test('a hidden participant is shown to itself alone', async () => {
  const room = freshRoom();
  const hidden = await connect(server.url + v0(await joinToken(room, 'hidden', { hidden: true })));
  assert.equal((await ownInfo(hidden)).identity, 'hidden');
  const alice = await connect(server.url + v0(await joinToken(room, 'alice')));
  const { message } = await alice.next('join');
  assert.ok(message.case === 'join');
  assert.deepEqual(message.value.otherParticipants, []);
  const bob = await connect(server.url + v0(await joinToken(room, 'bob')));
  const { message: news } = await alice.next('update');
  assert.ok(news.case === 'update');
  const told = news.value.participants.map((info) => info.identity);
  assert.ok(told.includes('bob') && !told.includes('hidden'), told.join());
  for (const client of [hidden, alice, bob]) client.close();
});
