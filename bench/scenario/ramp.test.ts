import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rampTable } from '../report/ramp-table.ts';
import { measurement } from '../testing/measurements.ts';
import { brokenBy, parseVariation } from './ramp.ts';

test('what grows is a key with its values', () => {
  const expected = { key: 'groups.viewers.count', values: ['25', '50'] };
  assert.deepEqual(parseVariation('groups.viewers.count=25,50'), expected);
  assert.throws(() => parseVariation('groups.viewers.count'), /expected key=value,value/);
});

test('a step at which all objectives hold breaks none', () => {
  assert.deepEqual(brokenBy(measurement(), 2), []);
});

test('each objective that does not hold is told with its figure', () => {
  const full = measurement({ cpuSeconds: 17, joinP50: 1 });
  full.load.packets.lost = 1_000;
  full.load.delayMs.p99 = 61;
  full.load.joins.ms.p99 = 7_200;
  assert.deepEqual(brokenBy(full, 2), [
    'loss 1.0 % > 0.5 %',
    'p99 delay 61 ms > 50 ms',
    'join p99 7200 ms > 5000 ms',
    'CPU of all cores 85 % > 80 %',
    'busiest thread 85 % > 80 %',
  ]);
});

test('the table has a line per step and the reason for its end', () => {
  const steps = ['50', '100'].map((value) => ({ value, measurement: measurement(), broken: [] }));
  const ramp = {
    scenario: 'livestream',
    key: 'groups.viewers.count',
    server: 'Sluice',
    version: '1',
    steps,
    ended: 'no further step',
  };
  const lines = rampTable(ramp);
  assert.equal(lines[0], 'Sluice 1');
  assert.match(lines[1] ?? '', /^viewers\.count +people +in\/s +out\/s/);
  assert.match(lines[3] ?? '', /^100 +100 +100 +10,000 /);
  assert.equal(lines.at(-1), 'no further step');
});
