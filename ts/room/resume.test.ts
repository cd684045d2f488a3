import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  ParticipantInfo_State,
  SessionDescription,
  SimulateScenario,
  SyncState,
  TrackInfo,
  TrackPublishedResponse,
  UpdateSubscription,
} from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import { Scene } from './testing/scene.ts';

const ROOM = 'room' as RoomName;

test('a lost socket ends nothing once ICE stood, and a resume tells what was missed in order', async () => {
  const scene = new Scene();
  scene.engine.dataSequence = 7;
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  await scene.clock.advance(3000);
  alice.session.closed(false);
  await scene.clock.advance(1000);
  bob.session.participant.leave(new LeaveRequest({ reason: DisconnectReason.CLIENT_INITIATED }));
  await scene.clock.advance(3000);

  const resumed = await scene.resume('alice', alice);

  assert.deepEqual(resumed.sink.kinds, ['reconnect', 'update', 'update', 'roomUpdate', 'refreshToken']);
  assert.equal(resumed.sink.last('reconnect').lastMessageSeq, 7);
  const [missed, all] = resumed.sink.all('update');
  assert.deepEqual(
    missed?.participants.map(({ sid, state }) => [sid, state]),
    [[bob.sid, ParticipantInfo_State.DISCONNECTED]],
  );
  assert.deepEqual(
    all?.participants.map(({ sid }) => sid),
    [alice.sid],
  );
  assert.equal(alice.negotiation.calls.at(-1), 'restartIce');
  await scene.close();
});

test('a resume takes the socket from the former one', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const resumed = await scene.resume('alice', alice);
  assert.equal(alice.sink.closed, true);
  // What the old socket still brings is for nobody, and its end ends nobody.
  alice.session.participant.leave(new LeaveRequest());
  alice.session.closed(true);
  assert.equal(scene.rooms.get(ROOM)?.members.size, 1);
  resumed.session.participant.leave(new LeaveRequest());
  assert.equal(scene.rooms.get(ROOM)?.members.size, 0);
  await scene.close();
});

test('a socket lost before ICE ever stood ends the participant at once', async () => {
  const scene = new Scene();
  const alice = await scene.join('alice');
  alice.session.closed(true);
  assert.equal(scene.rooms.get(ROOM)?.members.size, 0);
  await scene.close();
});

test('whoever resumes without a session begins anew', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.participant.leave(new LeaveRequest());
  const resumed = await scene.resume('alice', alice);
  const leave = resumed.sink.last('leave');
  assert.deepEqual([leave.reason, leave.action], [DisconnectReason.STATE_MISMATCH, LeaveRequest_Action.RECONNECT]);
  assert.equal(resumed.sink.closed, true);
  await scene.close();
});

test('a session that another has replaced is not resumed', async () => {
  const scene = new Scene();
  const first = await scene.active('alice');
  const second = await scene.active('alice');
  const resumed = await scene.resume('alice', first);
  assert.equal(resumed.sink.last('leave').action, LeaveRequest_Action.RECONNECT);
  assert.equal(second.sink.closed, false);
  await scene.close();
});

test('a failed transport asks the client to resume and ends the participant five seconds later', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  alice.negotiation.host.onIceState('publisher', 'failed', null);
  const leave = alice.sink.last('leave');
  assert.deepEqual([leave.reason, leave.action], [DisconnectReason.CONNECTION_TIMEOUT, LeaveRequest_Action.RESUME]);
  assert.equal(alice.sink.closed, true);
  await scene.clock.advance(4900);
  assert.equal(scene.rooms.get(ROOM)?.members.size, 2);
  await scene.clock.advance(200);
  assert.equal(scene.rooms.get(ROOM)?.members.size, 1);
  await scene.clock.advance(3000);
  const told = bob.sink.last('update').participants.find(({ sid }) => sid === alice.sid);
  assert.equal(told?.disconnectReason, DisconnectReason.CONNECTION_TIMEOUT);
  await scene.close();
});

test('a resume in time keeps a participant whose transport failed', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.negotiation.host.onIceState('publisher', 'failed', null);
  await scene.clock.advance(3000);
  await scene.resume('alice', alice);
  await scene.clock.advance(10_000);
  assert.equal(scene.rooms.get(ROOM)?.members.size, 1);
  await scene.close();
});

test('a transport that is gone for good can not be resumed', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.negotiation.host.onTransportClosed('publisher', 'remoteClosed', '');
  const resumed = await scene.resume('alice', alice);
  assert.equal(resumed.sink.last('leave').action, LeaveRequest_Action.RECONNECT);
  await scene.close();
});

test('a description that can not be used costs the session, and the client is told to begin anew', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.negotiation.offer(new SessionDescription({ type: 'offer', sdp: 'unusable', id: 2 }));
  await scene.clock.advance(0);
  assert.equal(alice.sink.last('leave').action, LeaveRequest_Action.RECONNECT);
  assert.equal(scene.rooms.get(ROOM)?.members.size, 0);
  await scene.close();
});

test('a resumed client that believes in tracks we do not know begins anew', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const sid = await scene.publishMicrophone(alice);
  const known = new TrackPublishedResponse({ cid: 'mic', track: new TrackInfo({ sid }) });
  alice.session.participant.syncState(new SyncState({ publishTracks: [known] }));
  assert.equal(alice.sink.all('leave').length, 0);
  const unknown = new TrackPublishedResponse({ cid: 'x', track: new TrackInfo({ sid: 'TR_x' }) });
  alice.session.participant.syncState(new SyncState({ publishTracks: [unknown] }));
  assert.equal(alice.sink.last('leave').action, LeaveRequest_Action.RECONNECT);
  await scene.close();
});

test('sync_state restores what was disabled and what is subscribed to', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { autoSubscribe: false });
  const sid = await scene.publishCamera(alice);
  bob.session.participant.syncState(
    new SyncState({
      trackSidsDisabled: [sid],
      subscription: new UpdateSubscription({ trackSids: [sid], subscribe: true }),
    }),
  );
  assert.equal(bob.negotiation.subscription(sid)?.request.wish.enabled, false);
  await scene.close();
});

test('clients of an older protocol learn of a resume from the closed socket alone', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice', { client: { protocol: 12 } });
  alice.negotiation.host.onIceState('publisher', 'failed', null);
  assert.equal(alice.sink.all('leave').length, 0);
  assert.equal(alice.sink.closed, true);
  await scene.close();
});

test('a simulated fault drops the socket of the next resume', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.participant.simulate(
    new SimulateScenario({ scenario: { case: 'disconnectSignalOnResume', value: true } }),
  );
  const first = await scene.resume('alice', alice);
  assert.equal(first.sink.kinds[0], 'reconnect');
  assert.equal(first.sink.closed, true);
  const second = await scene.resume('alice', alice);
  assert.equal(second.sink.closed, false);

  second.session.participant.simulate(
    new SimulateScenario({ scenario: { case: 'disconnectSignalOnResumeNoMessages', value: true } }),
  );
  for (let attempt = 0; attempt < 3; attempt++) {
    const dropped = await scene.resume('alice', alice);
    assert.deepEqual([dropped.sink.messages.length, dropped.sink.closed], [0, true]);
  }
  assert.equal((await scene.resume('alice', alice)).sink.closed, false);
  await scene.close();
});
