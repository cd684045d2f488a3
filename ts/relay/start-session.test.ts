import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AddTrackRequest,
  ClientInfo,
  CreateRoomRequest,
  ParticipantInfo_Kind,
  ReconnectReason,
  RoomConfiguration,
  SessionDescription,
  TrackSource,
} from '@livekit/protocol';
import { StartSession } from '../gen/cluster_pb.ts';
import type { ParticipantSid } from '../lib/ids.ts';
import { joinParams } from '../room/testing/scene.ts';
import { fromStartSession, toStartSession } from './start-session.ts';

test('a request to join is the same on the other node', () => {
  const params = joinParams('alice', {
    grant: {
      canPublish: false,
      canSubscribe: true,
      canPublishData: false,
      canPublishSources: [TrackSource.CAMERA],
      canUpdateOwnMetadata: true,
      canSubscribeMetrics: false,
      canManageAgentSession: true,
      hidden: true,
    },
    kind: ParticipantInfo_Kind.AGENT,
    client: { protocol: 16 },
    tokenExpiresAt: 1_700_000_000,
    singlePc: true,
    adaptiveStream: true,
    subscriberAllowPause: false,
    autoSubscribeDataTrack: true,
    reconnect: true,
    reconnectReason: ReconnectReason.RR_SIGNAL_DISCONNECTED,
    participantSid: 'PA_1' as ParticipantSid,
    publisherOffer: new SessionDescription({ type: 'offer', sdp: 'v=0', id: 3 }),
    addTrackRequests: [new AddTrackRequest({ cid: 'mic' })],
    createRoom: new CreateRoomRequest({ name: 'room', metadata: 'm' }),
  });
  params.claims.name = 'Alice';
  params.claims.attributes = { seat: '1' };
  params.claims.roomConfig = new RoomConfiguration({ maxParticipants: 3 });
  const there = fromStartSession(StartSession.fromBinary(toStartSession(params).toBinary()));
  assert.deepEqual(there, params);
});

test('grants are written as Go writes them: what is zero is left out, a spoken false stays', () => {
  const params = joinParams('alice', { grant: { canPublish: false } });
  assert.deepEqual(JSON.parse(toStartSession(params).grantsJson), {
    identity: 'alice',
    kind: 'standard',
    video: { roomJoin: true, room: 'room', canPublish: false },
  });
});

test('a session of livekit-server is understood', () => {
  const grants =
    '{"identity":"bob","name":"Bob","kind":"agent","video":{"roomJoin":true,"room":"r","canSubscribe":false,' +
    '"canPublishSources":["camera"],"agent":true},"agent":{"admin":true},"metadata":"m","attributes":{"a":"b"}}';
  const params = fromStartSession(
    new StartSession({ roomName: 'r', identity: 'bob', grantsJson: grants, client: new ClientInfo({ protocol: 15 }) }),
  );
  assert.equal(params.claims.identity, 'bob');
  assert.equal(params.claims.kind, ParticipantInfo_Kind.AGENT);
  assert.deepEqual(params.claims.video.canPublishSources, [TrackSource.CAMERA]);
  assert.deepEqual([params.claims.video.canPublish, params.claims.video.canSubscribe], [undefined, false]);
  assert.deepEqual(params.claims.attributes, { a: 'b' });
  assert.equal(params.createRoom.name, 'r');
});

test('what is no session is refused', () => {
  for (const session of [
    new StartSession({ identity: 'bob', grantsJson: '{}' }),
    new StartSession({ roomName: 'r', identity: 'bob', grantsJson: 'no' }),
    new StartSession({ roomName: 'r', identity: 'bob', grantsJson: '{}' }),
  ]) {
    assert.throws(() => fromStartSession(session), { code: 'malformed_request' });
  }
});
