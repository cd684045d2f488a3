import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadScenario } from '../scenario/load.ts';
import { describeFloor, type Floor, floorLoad, floorUs } from './floor.ts';

test('one stream to many has a floor, in trains of a frame', () => {
  const expected = { kind: 'video', receivers: 100, bytes: 1_095, train: 6, trainsPerSecond: 30 };
  assert.deepEqual(floorLoad(loadScenario('livestream')), expected);
});

test('a frame that fits a packet is one', () => {
  const thin = loadScenario('livestream', ['groups.publisher.publish.video.kbps=[96]']);
  assert.deepEqual(floorLoad(thin), { kind: 'video', receivers: 100, bytes: 400, train: 1, trainsPerSecond: 30 });
});

test('many who speak are one load of all their packets', () => {
  const expected = { kind: 'audio', receivers: 50, bytes: 116, train: 1, trainsPerSecond: 500 };
  assert.deepEqual(floorLoad(loadScenario('audio-rooms')), expected);
});

test('what has no floor: layers, people who send and receive, data, rooms', () => {
  for (const name of ['meeting', 'layer-switch-storm', 'many-small-rooms', 'data-heavy', 'idle-viewers', 'webinar']) {
    assert.equal(floorLoad(loadScenario(name)), undefined, name);
  }
});

test('the floor of a load is its own, and every step has a line', () => {
  const shape = { receivers: 100, bytes: 1_095, train: 6, trainsPerSecond: 30 };
  const floor: Floor = {
    rounds: 5,
    steps: [{ step: 'send', mode: 'connected', bytes: 1_095, train: 8, ns: 900, least: 800, most: 950 }],
    loops: {
      video: { ...shape, perPacketNs: 1_500, saturatedNs: 1_100 },
      audio: { ...shape, perPacketNs: null, saturatedNs: null },
    },
  };
  assert.equal(floorUs(floor, { kind: 'video', ...shape }), 1.5);
  assert.equal(floorUs(floor, { kind: 'audio', ...shape }), null);
  assert.match(describeFloor(floor)[0] ?? '', /^send connected +1095 B +×8 +900 ns +\(800–950\)$/);
});
