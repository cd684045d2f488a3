/** Rooms with the real negotiation under them: descriptions of a browser in, descriptions out. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SessionDescription } from '@livekit/protocol';
import { createNegotiation } from '../negotiate/negotiation.ts';
import { cameraRequest, Scene } from './testing/scene.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../negotiate/fixtures/${name}.sdp`, import.meta.url), 'utf8');

test('a browser’s camera reaches one client by our offer and another by our answer', async () => {
  const scene = new Scene({}, createNegotiation);
  const alice = await scene.enter('alice');
  const dual = await scene.enter('dual');
  alice.session.publishing.addTrack(cameraRequest('cbfc216b-161f-4947-acba-3219e5fa94d0'));
  alice.session.negotiation.offer(new SessionDescription({ type: 'offer', sdp: fixture('chromium-publisher'), id: 1 }));
  await scene.clock.advance(0);

  const sid = alice.sink.last('trackPublished').track?.sid ?? '';
  const answer = alice.sink.last('answer');
  assert.equal(answer.id, 1);
  assert.match(answer.sdp, /a=rid:q recv/);
  const [upTrack] = scene.engine.sent('openUpTrack').filter(({ kind }) => kind === 'video');
  assert.deepEqual(upTrack?.rids, ['q', 'h', 'f']);
  assert.deepEqual(
    dual.sink.last('update').participants[0]?.tracks.map((track) => track.sid),
    [sid],
  );

  const single = await scene.enter('single', {
    singlePc: true,
    publisherOffer: new SessionDescription({ type: 'offer', sdp: fixture('chromium-single'), id: 1 }),
  });
  assert.ok(Object.values(single.sink.last('answer').midToTrackId).includes(sid));
  assert.match(single.sink.last('answer').sdp, new RegExp(`a=msid:PA_[^|]+\\|${sid} ${sid}`));
  const [downTrack] = scene.engine.sent('openDownTrack');
  assert.equal(downTrack?.track, upTrack?.track);

  const late = await scene.enter('late');
  const [first] = late.sink.all('offer');
  assert.ok(Object.values(first?.midToTrackId ?? {}).includes(sid), 'the first offer carries the track already');
  await scene.close();
  assert.equal(scene.engine.peers.size, 0);
});

test('a track announced after its section was offered is published as soon as it is announced', async () => {
  const scene = new Scene({}, createNegotiation);
  const alice = await scene.enter('alice');
  alice.session.negotiation.offer(new SessionDescription({ type: 'offer', sdp: fixture('chromium-publisher'), id: 1 }));
  await scene.clock.advance(0);
  assert.equal(scene.engine.sent('openUpTrack').length, 0);
  alice.session.publishing.addTrack(cameraRequest('cbfc216b-161f-4947-acba-3219e5fa94d0'));
  assert.equal(scene.engine.sent('openUpTrack').length, 1);
  await scene.close();
});
