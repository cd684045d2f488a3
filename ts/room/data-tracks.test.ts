import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ParticipantPermission,
  PublishDataTrackRequest,
  SubscriptionPermission,
  UpdateDataSubscription,
  UpdateParticipantRequest,
} from '@livekit/protocol';
import { type Client, Scene } from './testing/scene.ts';

const AUTO = { autoSubscribeDataTrack: true };

function publish(client: Client, pubHandle = 7): string {
  client.session.data.publishDataTrack(new PublishDataTrackRequest({ pubHandle, name: `track ${pubHandle}` }));
  return client.sink.all('publishDataTrackResponse').at(-1)?.info?.sid ?? '';
}

/** The tracks that a client was told to have handles for, last. */
function subscribed(client: Client): string[] {
  const told = client.sink.all('dataTrackSubscriberHandles').at(-1);
  return Object.values(told?.subHandles ?? {}).map(({ trackSid }) => trackSid);
}

function permit(scene: Scene, identity: string, permission: ConstructorParameters<typeof ParticipantPermission>[0]) {
  const request = { room: 'room', identity, permission: new ParticipantPermission(permission) };
  return scene.control.updateParticipant(new UpdateParticipantRequest(request));
}

test('those who asked for all data tracks get them, early and late, and others on request', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const early = await scene.active('early', AUTO);
  const asking = await scene.active('asking');
  const sid = publish(alice);
  const late = await scene.active('late', AUTO);
  assert.deepEqual([subscribed(early), subscribed(late), subscribed(asking)], [[sid], [sid], []]);
  const update = (subscribe: boolean) =>
    asking.session.data.updateDataSubscription(new UpdateDataSubscription({ updates: [{ trackSid: sid, subscribe }] }));
  update(true);
  assert.deepEqual(subscribed(asking), [sid]);
  assert.equal(scene.engine.sent('setDataTrack').at(-1)?.receivers.length, 3);
  update(false);
  assert.deepEqual(subscribed(asking), []);
  assert.equal(scene.engine.sent('setDataTrack').at(-1)?.receivers.length, 2);
  await scene.close();
});

test('granting canSubscribe subscribes to data tracks that are there', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { ...AUTO, grant: { canSubscribe: false } });
  const sid = publish(alice);
  assert.deepEqual(subscribed(bob), []);
  await permit(scene, 'bob', { canSubscribe: true });
  assert.deepEqual(subscribed(bob), [sid]);
  await scene.close();
});

test('a publisher decides who may have its data tracks, at any time', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', AUTO);
  const sid = publish(alice);
  alice.session.publishing.subscriptionPermission(new SubscriptionPermission());
  assert.deepEqual(subscribed(bob), []);
  alice.session.publishing.subscriptionPermission(new SubscriptionPermission({ allParticipants: true }));
  assert.deepEqual(subscribed(bob), [sid]);
  assert.deepEqual(
    bob.sink.all('subscriptionPermissionUpdate').map(({ allowed }) => allowed),
    [true, false, true],
  );
  await scene.close();
});

test('data tracks end with the permission to publish data, and with their publisher', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const carol = await scene.active('carol');
  const bob = await scene.active('bob', AUTO);
  publish(alice);
  publish(carol);
  assert.equal(subscribed(bob).length, 2);
  await permit(scene, 'alice', { canSubscribe: true, canPublishData: false });
  assert.equal(alice.sink.all('unpublishDataTrackResponse').length, 1);
  assert.equal(subscribed(bob).length, 1);
  carol.session.participant.leave({ reason: 0 } as never);
  assert.deepEqual(subscribed(bob), []);
  assert.equal(scene.engine.sent('closeDataTrack').length, 2);
  await scene.close();
});
