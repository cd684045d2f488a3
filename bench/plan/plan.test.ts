import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { machine } from '../measure/machine.ts';
import { measurement } from '../testing/measurements.ts';
import { predict, stepsAround, verdict } from './check.ts';
import { packetsEach, scenario } from './measuring.ts';
import { profileOf } from './profile.ts';

describe('a prediction', () => {
  const step = (viewers: number, special: Parameters<typeof measurement>[0], broken: string[] = []) => ({
    value: String(viewers),
    measurement: measurement(special),
    broken,
  });
  const ramp = { scenario: 'livestream', key: 'groups.viewers.count', server: 'Sluice', version: '1.2.3' };

  test('is what CPU alone allows', () => {
    assert.equal(predict(2, 200, 1), 2_000);
    assert.equal(predict(2, 200, 2), 4_000);
  });

  test('is tried from well below to well above', () => {
    const steps = stepsAround(300);
    assert.equal(steps[0], 100);
    assert.ok((steps.at(-1) ?? 0) >= 900);
    assert.equal(stepsAround(50_000).at(-1), 3_000);
    assert.equal(stepsAround(6)[0], 10);
  });

  test('is compared with the last step that was well', () => {
    const steps = [step(500, {}), step(600, {}), step(720, {}, ['busiest thread 85 % > 80 %'])];
    assert.equal(
      verdict({ ...ramp, steps, ended: 'knee' }, 660),
      'well with 600 viewers, 1.10 times as many predicted; knee',
    );
  });

  test('stands open where the load ended the ramp', () => {
    const steps = [step(500, {}), step(600, { saturated: true })];
    assert.match(verdict({ ...ramp, steps, ended: 'the load was full' }, 660), /500 viewers, and the knee is above/);
    assert.match(verdict({ ...ramp, steps: steps.slice(1), ended: 'the load was full' }, 660), /too much already/);
  });
});

describe('what a receiver gets', () => {
  test('is all pictures and sounds that are published', () => {
    assert.equal(packetsEach(scenario('livestream', {})), 180);
    assert.equal(packetsEach(scenario('audio-rooms', {})), 500);
  });
});

describe('a profile', () => {
  test('has the median of the rounds and what they spread to', () => {
    const video = [0.4, 0.2, 0.3].map((cpuSeconds) => measurement({ cpuSeconds }));
    const profile = profileOf({ video, audio: video, idle: video }, machine(), '1.2.3');
    assert.deepEqual(
      Object.values(profile.videoUs).map((value) => Math.round(value * 10) / 10),
      [3, 2, 4],
    );
    assert.equal(profile.participantKb.median, 100);
    assert.equal(profile.baseMb, 60);
  });

  test('is refused where a figure cannot be told', () => {
    const silent = measurement({ received: 0 });
    assert.throws(() => profileOf({ video: [silent], audio: [silent], idle: [silent] }, machine(), '1.2.3'), {
      message: /"CPU per packet out" from: 0 of 1 rounds/,
    });
  });
});
