import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VideoQuality } from '@livekit/protocol';
import { type CodecDemand, Dynacast } from './dynacast.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;

function setUp(muted = false): { clock: VirtualClock; dynacast: Dynacast; sent: CodecDemand[][] } {
  const clock = new VirtualClock();
  const sent: CodecDemand[][] = [];
  const dynacast = new Dynacast(clock, 5000, muted, (demands) => sent.push(demands));
  dynacast.addCodec('vp8');
  return { clock, dynacast, sent };
}

test('nothing is said for ten seconds unless somebody subscribes', async () => {
  const { clock, sent } = setUp();
  await clock.advance(9999);
  assert.equal(sent.length, 0);
  await clock.advance(1);
  assert.deepEqual(sent, [[{ codec: 'vp8', quality: OFF }]]);
});

test('the best wish counts, upgrades at once and downgrades later', async () => {
  const { clock, dynacast, sent } = setUp();
  dynacast.setDemand('bob', { codec: 'vp8', quality: LOW });
  dynacast.setDemand('carol', { codec: 'vp8', quality: HIGH });
  assert.deepEqual(
    sent.map(([demand]) => demand?.quality),
    [LOW, HIGH],
  );

  dynacast.dropDemand('carol');
  await clock.advance(4999);
  assert.equal(sent.length, 2);
  await clock.advance(1);
  assert.equal(sent.at(-1)?.[0]?.quality, LOW);
});

test('a downgrade that is taken back in time is never sent', async () => {
  const { clock, dynacast, sent } = setUp();
  dynacast.setDemand('bob', { codec: 'vp8', quality: HIGH });
  dynacast.setDemand('bob', { codec: 'vp8', quality: OFF });
  await clock.advance(3000);
  dynacast.setDemand('bob', { codec: 'vp8', quality: HIGH });
  await clock.advance(10_000);
  assert.ok(sent.every(([demand]) => demand?.quality === HIGH));
});

test('nothing is sent while muted, and the state of things when unmuted', async () => {
  const { clock, dynacast, sent } = setUp(true);
  dynacast.setDemand('bob', { codec: 'vp8', quality: MEDIUM });
  await clock.advance(20_000);
  assert.equal(sent.length, 0);
  dynacast.setMuted(false);
  assert.deepEqual(sent, [[{ codec: 'vp8', quality: MEDIUM }]]);
});

test('a subscriber that changes codecs leaves the former one', async () => {
  const { clock, dynacast, sent } = setUp();
  dynacast.setDemand('bob', { codec: 'vp8', quality: HIGH });
  dynacast.setDemand('bob', { codec: 'h264', quality: HIGH });
  assert.deepEqual(sent.at(-1), [
    { codec: 'vp8', quality: OFF },
    { codec: 'h264', quality: HIGH },
  ]);
  await clock.advance(20_000);
});

test('after a resume everything is said again', () => {
  const { dynacast, sent } = setUp();
  dynacast.setDemand('bob', { codec: 'vp8', quality: HIGH });
  dynacast.restart();
  assert.equal(sent.length, 2);
});
