import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpeakerInfo } from '@livekit/protocol';
import { quantise, Speakers } from './speakers.ts';
import { Scene } from './testing/scene.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

test('levels are rounded up to eighths', () => {
  assert.deepEqual([0, 0.01, 0.125, 0.126, 0.9, 1].map(quantise), [0, 0.125, 0.125, 0.25, 1, 1]);
});

test('only changes are told, the loudest first, and the end of each', async () => {
  const clock = new VirtualClock();
  const told: [string, number, boolean][][] = [];
  const speakers = new Speakers(clock, 400, (changed: SpeakerInfo[]) =>
    told.push(changed.map(({ sid, level, active }) => [sid, level, active])),
  );
  speakers.report('PA_a', 'TR_1', { level: 0.3, active: true });
  speakers.report('PA_b', 'TR_2', { level: 0.6, active: true });
  await clock.advance(400);
  speakers.report('PA_a', 'TR_1', { level: 0.31, active: true });
  speakers.report('PA_b', 'TR_2', { level: 0, active: false });
  await clock.advance(400);
  await clock.advance(4000);

  assert.deepEqual(told, [
    [
      ['PA_b', 0.625, true],
      ['PA_a', 0.375, true],
    ],
    [['PA_b', 0, false]],
  ]);
  assert.equal(speakers.current('PA_a')?.level, 0.375);
  assert.equal(clock.pending, 0);
});

test('a participant is as loud as the loudest of its microphones', async () => {
  const clock = new VirtualClock();
  const told: number[] = [];
  const speakers = new Speakers(clock, 400, (changed) => told.push(...changed.map(({ level }) => level)));
  speakers.report('PA_a', 'TR_1', { level: 0.2, active: true });
  speakers.report('PA_a', 'TR_2', { level: 0.7, active: true });
  await clock.advance(400);
  assert.deepEqual(told, [0.75]);
});

test('speakers are told to themselves and to those who receive them', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const carol = await scene.active('carol', { autoSubscribe: false });
  const old = await scene.active('old', { client: { protocol: 2 } });
  await scene.publishMicrophone(alice);
  const [track] = scene.engine.upTracks.entries();
  track?.[1].audioLevel({ track: track[0], level: 0.5, active: true });
  await scene.clock.advance(400);

  assert.deepEqual(
    [alice, bob, carol, old].map(({ sink }) => sink.all('speakersChanged').length),
    [1, 1, 0, 0],
  );
  assert.equal(bob.sink.last('speakersChanged').speakers[0]?.sid, alice.sid);
  await scene.close();
});

test('whoever stops receiving a speaker is told that it fell silent', async () => {
  const scene = new Scene();
  const alice = await scene.active('alice');
  const bob = await scene.active('bob');
  const sid = await scene.publishMicrophone(alice);
  const [track] = scene.engine.upTracks.entries();
  track?.[1].audioLevel({ track: track[0], level: 0.5, active: true });
  await scene.clock.advance(400);
  const late = await scene.active('late');
  assert.equal(late.sink.last('speakersChanged').speakers[0]?.active, true);
  bob.session.subscribing.subscription({ trackSids: [sid], participantTracks: [], subscribe: false } as never);
  assert.equal(bob.sink.last('speakersChanged').speakers[0]?.active, false);
  await scene.close();
});
