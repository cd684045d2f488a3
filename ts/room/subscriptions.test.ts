import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MuteTrackRequest,
  ParticipantPermission,
  StreamState,
  SubscriptionError,
  SubscriptionPermission,
  TrackPermission,
  UpdateParticipantRequest,
  UpdateSubscription,
  UpdateTrackSettings,
  VideoQuality,
} from '@livekit/protocol';
import { Scene } from './testing/scene.ts';

test('a new track is announced before it is subscribed to', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  bob.sink.clear();
  let announced = 0;
  const { negotiation } = bob;
  const subscribe = negotiation.subscribe.bind(negotiation);
  negotiation.subscribe = (request) => {
    announced = bob.sink
      .all('update')
      .flatMap((update) => update.participants)
      .filter(({ tracks }) => tracks.length > 0).length;
    return subscribe(request);
  };

  const sid = await scene.publishMicrophone(alice);

  assert.equal(announced, 1);
  const request = negotiation.subscription(sid)?.request;
  assert.equal(request?.streamId, `${alice.sid}|${sid}`);
  assert.equal(request?.kind, 'audio');
  await scene.close();
});

test('existing tracks are subscribed to right after a fast join and not twice when active', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const sid = await scene.publishMicrophone(alice);
  const bob = await scene.join('bob');
  assert.equal(bob.negotiation.subscriptions.length, 1);
  assert.deepEqual(bob.negotiation.calls, ['start']);
  bob.negotiation.connect();
  assert.equal(bob.negotiation.subscriptions.length, 1);
  assert.notEqual(bob.negotiation.subscription(sid), undefined);
  await scene.close();
});

test('without auto_subscribe a track is subscribed to on request only', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { autoSubscribe: false });
  const sid = await scene.publishMicrophone(alice);
  assert.equal(bob.negotiation.subscription(sid), undefined);
  bob.session.subscribing.subscription(new UpdateSubscription({ trackSids: [sid], subscribe: true }));
  assert.notEqual(bob.negotiation.subscription(sid), undefined);
  bob.session.subscribing.subscription(new UpdateSubscription({ trackSids: [sid], subscribe: false }));
  assert.equal(bob.negotiation.subscription(sid), undefined);
  await scene.close();
});

test('a track that is asked for before it exists is subscribed to when it comes', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { autoSubscribe: false });
  const sid = await scene.publishMicrophone(alice);
  alice.session.publishing.subscriptionPermission(new SubscriptionPermission());
  bob.session.subscribing.subscription(new UpdateSubscription({ trackSids: [sid, 'TR_later'], subscribe: true }));
  assert.equal(bob.negotiation.subscriptions.length, 0);
  assert.equal(bob.sink.last('subscriptionPermissionUpdate').allowed, false);
  await scene.close();
});

test('a track that stays unknown for a minute is given up', async () => {
  const scene = new Scene();
  const bob = await scene.active('bob');
  bob.session.subscribing.subscription(new UpdateSubscription({ trackSids: ['TR_no'], subscribe: true }));
  await scene.clock.advance(59_000);
  assert.equal(bob.sink.all('subscriptionResponse').length, 0);
  await scene.clock.advance(5000);
  const { trackSid, err } = bob.sink.last('subscriptionResponse');
  assert.deepEqual([trackSid, err], ['TR_no', SubscriptionError.SE_TRACK_NOTFOUND]);
  await scene.close();
});

test('a client without any of the codecs is told so', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishCamera(alice);
  bob.negotiation.host.onSubscriptionUnsupported(sid);
  const { trackSid, err } = bob.sink.last('subscriptionResponse');
  assert.deepEqual([trackSid, err], [sid, SubscriptionError.SE_CODEC_UNSUPPORTED]);
  assert.equal(bob.negotiation.subscription(sid), undefined);
  await scene.close();
});

test('publishers decide who subscribes, and both ways are told once', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishMicrophone(alice);
  assert.equal(bob.sink.all('subscriptionPermissionUpdate').length, 1);

  alice.session.publishing.subscriptionPermission(new SubscriptionPermission({ allParticipants: false }));
  assert.equal(bob.negotiation.subscription(sid), undefined);
  assert.equal(bob.sink.last('subscriptionPermissionUpdate').allowed, false);

  const trackPermissions = [new TrackPermission({ participantIdentity: 'bob', trackSids: [sid] })];
  alice.session.publishing.subscriptionPermission(new SubscriptionPermission({ trackPermissions }));
  alice.session.publishing.subscriptionPermission(new SubscriptionPermission({ trackPermissions }));
  assert.notEqual(bob.negotiation.subscription(sid), undefined);
  assert.deepEqual(
    bob.sink.all('subscriptionPermissionUpdate').map(({ allowed }) => allowed),
    [true, false, true],
  );
  await scene.close();
});

test('recorders subscribe whatever publishers allow', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  alice.session.publishing.subscriptionPermission(new SubscriptionPermission());
  const recorder = await scene.active('recorder', { grant: { recorder: true } });
  const sid = await scene.publishMicrophone(alice);
  assert.notEqual(recorder.negotiation.subscription(sid), undefined);
  await scene.close();
});

test('granting canSubscribe subscribes to everything that is there', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { grant: { canSubscribe: false } });
  const sid = await scene.publishMicrophone(alice);
  assert.equal(bob.negotiation.subscriptions.length, 0);
  const permission = new ParticipantPermission({ canSubscribe: true });
  await scene.control.updateParticipant(new UpdateParticipantRequest({ room: 'room', identity: 'bob', permission }));
  assert.notEqual(bob.negotiation.subscription(sid), undefined);
  await scene.close();
});

test('a limit leaves further subscriptions waiting until one ends', async () => {
  const { limits } = (await import('./config.ts')).DEFAULT_ROOM_CONFIG;
  const scene = new Scene({ limits: { ...limits, subscriptionLimitAudio: 1 } });
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const first = await scene.publishMicrophone(alice, 'one');
  const second = await scene.publishMicrophone(alice, 'two');
  assert.equal(bob.negotiation.subscription(second), undefined);
  bob.session.subscribing.subscription(new UpdateSubscription({ trackSids: [first], subscribe: false }));
  assert.notEqual(bob.negotiation.subscription(second), undefined);
  await scene.close();
});

test('the publisher is told once that somebody subscribed, by whoever is not hidden', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const ghost = await scene.active('ghost', { grant: { hidden: true } });
  const bob = await scene.active('bob');
  const sid = await scene.publishMicrophone(alice);
  ghost.negotiation.host.onSubscribed(sid, 'opus');
  assert.equal(alice.sink.all('trackSubscribed').length, 0);
  bob.negotiation.host.onSubscribed(sid, 'opus');
  bob.negotiation.host.onSubscribed(sid, 'opus');
  assert.deepEqual(
    alice.sink.all('trackSubscribed').map(({ trackSid }) => trackSid),
    [sid],
  );
  await scene.close();
});

test('settings choose a layer by quality or by size, and only the last of a burst counts', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishCamera(alice);
  bob.negotiation.host.onSubscribed(sid, 'vp8');
  const wish = () => bob.negotiation.subscription(sid)?.wish;
  assert.deepEqual(wish(), { enabled: true, maxSpatial: 2, maxTemporal: 3, maxFps: 0 });

  const set = (settings: Partial<UpdateTrackSettings>): void =>
    bob.session.subscribing.trackSetting(new UpdateTrackSettings({ trackSids: [sid], ...settings }));
  set({ quality: VideoQuality.LOW });
  set({ quality: VideoQuality.MEDIUM });
  assert.equal(wish()?.maxSpatial, 2);
  await scene.clock.advance(100);
  assert.equal(wish()?.maxSpatial, 1);

  set({ width: 300, height: 190, fps: 15 });
  await scene.clock.advance(100);
  assert.deepEqual(wish(), { enabled: true, maxSpatial: 0, maxTemporal: 3, maxFps: 15 });
  set({ width: 640, height: 400 });
  await scene.clock.advance(100);
  assert.equal(wish()?.maxSpatial, 1);

  set({ disabled: true });
  await scene.clock.advance(100);
  assert.equal(wish()?.enabled, false);
  set({ disabled: false, quality: VideoQuality.HIGH });
  assert.deepEqual([wish()?.enabled, wish()?.maxSpatial], [true, 2]);
  await scene.close();
});

test('an adaptive stream starts low', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { adaptiveStream: true });
  const sid = await scene.publishCamera(alice);
  assert.equal(bob.negotiation.subscription(sid)?.request.wish.maxSpatial, 0);
  await scene.close();
});

test('a stream is reported active with its first packet and again after a mute', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishCamera(alice);
  bob.negotiation.host.onSubscribed(sid, 'vp8');
  bob.negotiation.host.onSubscriptionStarted(sid);
  bob.negotiation.host.onSubscriptionStarted(sid);
  const [state] = bob.sink.last('streamStateUpdate').streamStates;
  assert.deepEqual([state?.participantSid, state?.trackSid, state?.state], [alice.sid, sid, StreamState.ACTIVE]);
  assert.equal(bob.sink.all('streamStateUpdate').length, 1);
  alice.session.publishing.mute(new MuteTrackRequest({ sid, muted: true }));
  alice.session.publishing.mute(new MuteTrackRequest({ sid, muted: false }));
  bob.negotiation.host.onSubscriptionStarted(sid);
  assert.equal(bob.sink.all('streamStateUpdate').length, 2);
  await scene.close();
});

test('streams of one publisher share an id in rooms that synchronise them', async () => {
  const scene = new Scene({ syncStreams: true });
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const firefox = await scene.active('fox', { client: { browser: 'firefox' } });
  const sid = await scene.publishMicrophone(alice);
  assert.equal(bob.negotiation.subscription(sid)?.request.streamId, `${alice.sid}|camera`);
  assert.equal(firefox.negotiation.subscription(sid)?.request.streamId, `${alice.sid}|${sid}`);
  await scene.close();
});

test('a subscription that the client never agrees to is reported after fifteen seconds', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  await scene.publishMicrophone(alice);
  await scene.clock.advance(30_000);
  assert.deepEqual(
    bob.sink.all('subscriptionResponse').map(({ err }) => err),
    [SubscriptionError.SE_UNKNOWN],
  );
  await scene.close();
});
