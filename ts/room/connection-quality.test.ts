import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionQuality, MuteTrackRequest } from '@livekit/protocol';
import { meanOpinion, qualityOf } from './connection-quality.ts';
import { Scene } from './testing/scene.ts';

test('scores above 80, 40 and 20 separate the qualities', () => {
  const qualities = [100, 81, 80, 41, 40, 21, 20, 0].map((score) => qualityOf({ score, lost: false }));
  const { EXCELLENT, GOOD, POOR, LOST } = ConnectionQuality;
  assert.deepEqual(qualities, [EXCELLENT, EXCELLENT, GOOD, GOOD, POOR, POOR, LOST, LOST]);
  assert.equal(qualityOf({ score: 90, lost: true }), LOST);
});

test('the mean opinion runs from 1 to 4.5', () => {
  assert.equal(meanOpinion(0), 1);
  assert.ok(Math.abs(meanOpinion(100) - 4.5) < 1e-9);
  assert.ok(Math.abs(meanOpinion(80) - 4.024) < 1e-9);
});

test('each participant is told its own quality and that of those it receives, when any of these changed', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const stranger = await scene.active('stranger', { autoSubscribe: false });
  const old = await scene.active('old', { client: { protocol: 10 } });
  const sid = await scene.publishMicrophone(alice);
  await scene.clock.advance(5000);
  for (const { sink } of [alice, bob, stranger, old]) sink.clear();

  const [track] = scene.engine.upTracks.entries();
  track?.[1].quality({
    track: track[0],
    score: 15,
    lost: true,
    window: { expected: 0, received: 0, late: 0, jitterUs: 0 },
  });
  await scene.clock.advance(5000);
  assert.deepEqual(
    bob.sink.last('connectionQuality').updates.map(({ participantSid, quality }) => [participantSid, quality]),
    [
      [bob.sid, ConnectionQuality.EXCELLENT],
      [alice.sid, ConnectionQuality.LOST],
    ],
  );
  assert.equal(stranger.sink.all('connectionQuality').length, 0);
  assert.equal(bob.sink.all('connectionQuality').length, 1);
  await scene.clock.advance(10_000);
  assert.equal(bob.sink.all('connectionQuality').length, 1);

  alice.session.publishing.mute(new MuteTrackRequest({ sid, muted: true }));
  await scene.clock.advance(5000);
  assert.equal(alice.sink.last('connectionQuality').updates[0]?.quality, ConnectionQuality.EXCELLENT);
  await scene.close();
});

test('a bad subscription counts against the subscriber, and old protocols know no LOST', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob', { client: { protocol: 10 } });
  const sid = await scene.publishMicrophone(alice);
  bob.negotiation.host.onSubscribed(sid, 'opus');
  bob.negotiation.host.onSubscriptionQuality(sid, {
    down: 1 as never,
    score: 10,
    lost: true,
    loss: 1,
    rttMs: 20,
    window: { expected: 0, received: 0, late: 0, jitterUs: 0 },
  });
  await scene.clock.advance(5000);
  const own = bob.sink.last('connectionQuality').updates.find(({ participantSid }) => participantSid === bob.sid);
  assert.equal(own?.quality, ConnectionQuality.POOR);
  assert.equal(alice.sink.last('connectionQuality').updates[0]?.quality, ConnectionQuality.EXCELLENT);
  await scene.close();
});
