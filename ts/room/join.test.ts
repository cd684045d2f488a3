import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AddTrackRequest,
  ClientInfo_SDK,
  DisconnectReason,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  SessionDescription,
  TrackSource,
  TrackType,
} from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { DEFAULT_ROOM_CONFIG } from './config.ts';
import { RecordingSink } from './testing/recording-sink.ts';
import { joinParams, Scene } from './testing/scene.ts';

test('the join response comes first and names everybody else', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.join('bob');

  const join = bob.sink.messages[0];
  assert.equal(join?.case, 'join');
  const response = bob.sink.last('join');
  assert.equal(response.participant?.identity, 'bob');
  assert.deepEqual(
    response.otherParticipants.map((other) => other.identity),
    ['alice'],
  );
  assert.equal(response.otherParticipants[0]?.sid, alice.sid);
  assert.equal(response.pingInterval, 5);
  assert.equal(response.pingTimeout, 15);
  assert.equal(response.subscriberPrimary, true);
  assert.equal(response.fastPublish, true);
  assert.equal(response.serverInfo?.protocol, 17);
  assert.deepEqual(
    response.enabledPublishCodecs.map((codec) => codec.mime),
    [
      'video/VP8',
      'video/H264',
      'video/VP9',
      'video/AV1',
      'video/H265',
      'audio/PCMU',
      'audio/PCMA',
      'audio/opus',
      'audio/red',
    ],
  );
  assert.deepEqual(bob.sink.last('refreshToken'), 'token 2');
  await scene.close();
});

test('tracks announced and offered with the join request are answered after the join response', async () => {
  const scene = new Scene();
  const alice = await scene.join('alice', {
    singlePc: true,
    publisherOffer: new SessionDescription({ type: 'offer', sdp: 'v=0', id: 1 }),
    addTrackRequests: [new AddTrackRequest({ cid: 'mic', type: TrackType.AUDIO, source: TrackSource.MICROPHONE })],
  });

  assert.deepEqual(
    alice.sink.kinds.filter((kind) => kind !== 'refreshToken'),
    ['join', 'trackPublished', 'answer'],
  );
  assert.deepEqual(alice.negotiation.calls, ['start', 'rematch', 'offer 1']);
  assert.equal(alice.negotiation.subscriberPrimary, false);
  await scene.close();
});

test('others hear of a subscriber in the next batch and of a publisher at once', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  await scene.clock.advance(3000);
  alice.sink.clear();

  const bob = await scene.active('bob');
  assert.equal(alice.sink.all('update').length, 0);
  await scene.clock.advance(3000);
  assert.deepEqual(
    alice.sink.last('update').participants.map(({ identity, state }) => [identity, state]),
    [['bob', ParticipantInfo_State.ACTIVE]],
  );

  alice.sink.clear();
  await scene.publishMicrophone(bob);
  assert.equal(alice.sink.last('update').participants[0]?.tracks.length, 1);
  assert.equal(alice.sink.last('update').participants[0]?.isPublisher, true);
  await scene.close();
});

test('hidden participants are named to nobody but themselves', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const ghost = await scene.active('ghost', { grant: { hidden: true, canUpdateOwnMetadata: true } });
  const bob = await scene.active('bob');
  await scene.clock.advance(3000);

  const told = [alice, bob].flatMap(({ sink }) => sink.all('update').flatMap((update) => update.participants));
  assert.ok(told.every(({ identity }) => identity !== 'ghost'));
  assert.ok(bob.sink.last('join').otherParticipants.every(({ identity }) => identity !== 'ghost'));
  assert.equal(ghost.sink.last('join').participant?.identity, 'ghost');
  await scene.close();
});

test('a second session of an identity replaces the first', async () => {
  const scene = new Scene();
  const observer = await scene.active('observer');
  const first = await scene.active('alice');
  await scene.publishMicrophone(first);
  observer.sink.clear();

  const second = await scene.active('alice');

  assert.equal(first.sink.last('leave').reason, DisconnectReason.DUPLICATE_IDENTITY);
  assert.equal(first.sink.closed, true);
  assert.equal(first.negotiation.closed, true);
  assert.notEqual(second.sid, first.sid);
  await scene.clock.advance(3000);
  const told = observer.sink.all('update').flatMap((update) => update.participants);
  // A client that follows identities must not be told that alice left.
  assert.ok(told.every(({ state }) => state !== ParticipantInfo_State.DISCONNECTED));
  assert.equal(told.at(-1)?.sid, second.sid);
  await scene.close();
});

test('older clients are told that the replaced session ended', async () => {
  const scene = new Scene();
  const observer = await scene.active('observer', { client: { protocol: 11 } });
  const first = await scene.active('alice');
  await scene.publishMicrophone(first);
  observer.sink.clear();

  await scene.active('alice');
  await scene.clock.advance(3000);

  const ended = observer.sink.all('update').flatMap((update) => update.participants);
  assert.ok(ended.some(({ sid, state }) => sid === first.sid && state === ParticipantInfo_State.DISCONNECTED));
  await scene.close();
});

test('a full room turns participants away but not agents, and lets an identity replace itself', async () => {
  const scene = new Scene({ maxParticipants: 1 });
  await scene.active('alice');

  await assert.rejects(
    scene.join('bob'),
    (error: unknown) => error instanceof RpcError && error.code === 'resource_exhausted',
  );
  await scene.join('agent', { kind: ParticipantInfo_Kind.AGENT });
  await scene.join('alice');
  const room = scene.rooms.get('room' as RoomName);
  assert.equal(room?.snapshot().numParticipants, 1);
  await scene.close();
});

test('whoever never connects is removed after a minute', async () => {
  const scene = new Scene();
  const alice = await scene.join('alice');
  await scene.clock.advance(60_000);

  assert.equal(alice.sink.last('leave').reason, DisconnectReason.JOIN_FAILURE);
  assert.equal(scene.rooms.get('room' as RoomName)?.members.size, 0);
  await scene.close();
});

test('without auto_create only a known room can be joined', async () => {
  const scene = new Scene({ autoCreate: false });
  await assert.rejects(scene.join('alice'), /requested room does not exist/);
  await scene.join('carol', { grant: { roomCreate: true } });
  await scene.join('alice');
  await scene.close();
});

test('an empty room ends after its timeout, one that was left after the departure timeout', async () => {
  const scene = new Scene({ emptyTimeout: 300, departureTimeout: 20 });
  await scene.control.createRoom(joinParams('nobody').createRoom);
  await scene.clock.advance(299_000);
  assert.equal(scene.store.roomEntries.size, 1);
  await scene.clock.advance(2000);
  assert.equal(scene.store.roomEntries.size, 0);

  const alice = await scene.active('alice');
  alice.session.participant.leave({ reason: DisconnectReason.CLIENT_INITIATED } as never);
  await scene.clock.advance(19_000);
  assert.notEqual(scene.rooms.get('room' as RoomName), undefined);
  await scene.clock.advance(2000);
  assert.equal(scene.rooms.get('room' as RoomName), undefined);
  await scene.close();
});

test('a client that went away before the join is admitted leaves nothing behind', async () => {
  const scene = new Scene();
  const abandoned = new AbortController();
  abandoned.abort();
  const sink = new RecordingSink();
  await assert.rejects(scene.host.startSession(joinParams('alice'), sink, abandoned.signal), /went away/);
  assert.equal(sink.messages.length, 0);
  assert.equal(scene.rooms.get('room' as RoomName)?.members.size, 0);
  await scene.close();
});

test('a token is refreshed every five minutes and whenever what it says changes', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice', { grant: { canUpdateOwnMetadata: true } });
  assert.equal(alice.sink.all('refreshToken').length, 1);
  await scene.clock.advance(300_000);
  assert.equal(alice.sink.all('refreshToken').length, 2);
  alice.session.participant.updateMetadata({ metadata: 'new', name: '', attributes: {}, requestId: 1 } as never);
  await scene.clock.advance(0);
  assert.equal(alice.sink.all('refreshToken').length, 3);
  assert.equal(scene.tokens.at(-1)?.metadata, 'new');
  await scene.close();
});

test('client rules remove codecs from what a device may publish', async () => {
  const scene = new Scene();
  const firefox = await scene.join('fox', { client: { browser: 'Firefox', os: 'Linux', sdk: ClientInfo_SDK.JS } });
  const join = firefox.sink.last('join');
  assert.ok(join.enabledPublishCodecs.every(({ mime }) => mime !== 'video/H264'));
  assert.equal(join.clientConfiguration?.disabledCodecs?.publish[0]?.mime, 'video/H264');
  assert.equal(firefox.negotiation.options.onlyPreferredVideoCodec, true);
  const safari = await scene.join('safari', { client: { browser: 'Safari', browserVersion: '18.4' } });
  assert.ok(safari.negotiation.options.subscribeCodecs.every(({ mime }) => mime !== 'video/AV1'));
  assert.ok(safari.negotiation.options.publishCodecs.every(({ mime }) => mime !== 'video/VP9'));
  await scene.close();
});

test('closing the node tells everybody and forgets all rooms', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  await scene.close();
  assert.equal(alice.sink.last('leave').reason, DisconnectReason.SERVER_SHUTDOWN);
  assert.equal(scene.store.roomEntries.size, 0);
  assert.equal(scene.clock.pending, 0);
  await assert.rejects(scene.join('bob'), /shutting down/);
});

test('the default configuration is livekit-server’s', () => {
  assert.equal(DEFAULT_ROOM_CONFIG.emptyTimeout, 300);
  assert.equal(DEFAULT_ROOM_CONFIG.departureTimeout, 20);
});
