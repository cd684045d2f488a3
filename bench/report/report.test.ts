import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machine } from '../measure/machine.ts';
import { loadScenario } from '../scenario/load.ts';
import { measurement, type Special } from '../testing/measurements.ts';
import { compare } from './compare.ts';
import { FIGURE_KEYS } from './figures.ts';
import { csv } from './files.ts';
import { roundStep } from './plots/parts.ts';
import { plots } from './plots.ts';
import type { Result } from './result.ts';
import { digits, header, notes, table, threadLines } from './table.ts';

function result(...theirs: Special[]): Result {
  const pairs = theirs.map((special) => [measurement(), measurement({ server: 'other', ...special })]);
  return {
    machine: machine(),
    network: 'veth',
    loadGenerator: 'sluice-load 1',
    scenario: loadScenario('livestream', ['pairs=2']),
    columns: compare(pairs, ['Sluice', 'other']),
    floor: null,
    floorUs: 7.5,
    failures: [],
    pairs,
  };
}

test('a row has medians, least and greatest, and the ratio', () => {
  const rows = table(result({ cpuSeconds: 8 }, { cpuSeconds: 9 }, { cpuSeconds: 8.5 }));
  assert.match(rows[0] ?? '', /^ +Sluice +other +ratio$/);
  const row = rows.find((text) => text.startsWith('CPU per packet out, µs'));
  assert.match(row ?? '', / 10\.0 +85\.0 \(80\.0–90\.0\) +8\.50× \(8\.00–9\.00\)$/);
});

test('the floor is a share of each figure', () => {
  const row = table(result({ cpuSeconds: 10 })).at(-1);
  assert.match(row ?? '', /^share of the floor \(7\.50 µs\) +75 % +8 %$/);
});

test('threads that took anything are named, from the measurement in the middle', () => {
  const lines = threadLines(result({ cpuSeconds: 8 }, { cpuSeconds: 20 }, { cpuSeconds: 4 }));
  assert.deepEqual(lines, ['cores by thread, Sluice: worker 0.05', 'cores by thread, other: worker 0.40']);
});

test('a ratio that is refused is a dash, and a note says why', () => {
  const refused = result({ saturated: true, cpuSeconds: 8 });
  const row = table(refused).find((text) => text.startsWith('CPU per packet out, µs'));
  assert.match(row ?? '', / 80\.0 +–$/);
  assert.deepEqual(notes(refused), [
    '! other: the load was the bottleneck: a thread was full',
    '! no ratio: the load was the bottleneck with other',
  ]);
});

test('the header names the machine, the versions and the load', () => {
  const text = header(result({})).join('\n');
  assert.match(text, /machine .* cores/);
  assert.match(text, /Sluice 1\.2\.3, other 1\.2\.3; a UDP port per transport/);
  assert.match(text, /changed +pairs=2$/);
  assert.match(text, /sluice-load 1, 101 participants over veth pair .*AEAD_AES_128_GCM/);
});

test('CSV has a line per measurement and a column per figure', () => {
  const lines = csv([result({}, {})])
    .trimEnd()
    .split('\r\n');
  assert.equal(lines.length, 5);
  for (const line of lines) assert.equal(line.split(',').length, 4 + FIGURE_KEYS.length);
  assert.match(lines[4] ?? '', /^livestream,other,1\.2\.3,2,/);
});

test('every plot is well-formed, and what it shows is in the window', () => {
  const made = plots(result({ cpuSeconds: 3 }, { cpuSeconds: 4 }));
  assert.deepEqual(
    made.map(({ name }) => name),
    ['figures', 'delay', 'time'],
  );
  for (const { svg } of made) {
    assert.equal(svg.match(/<text/g)?.length, svg.match(/<\/text>/g)?.length);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
    const [, width = '', height = ''] = /viewBox="0 0 (\S+) (\S+)"/.exec(svg) ?? [];
    for (const [, x] of svg.matchAll(/ x="([\d.-]+)"/g)) assert.ok(Number(x) >= 0 && Number(x) <= Number(width));
    for (const [, y] of svg.matchAll(/ y="([\d.-]+)"/g)) assert.ok(Number(y) >= 0 && Number(y) <= Number(height));
  }
});

test('what there are no figures of has no plot', () => {
  const nothing: Result = { ...result(), scenario: loadScenario('idle-viewers') };
  assert.deepEqual(plots(nothing), []);
});

test('names in plots are escaped', () => {
  const odd = result({});
  odd.scenario.description = 'a <b> & "c"';
  for (const { svg } of plots(odd)) assert.match(svg, /a &lt;b&gt; &amp; &quot;c&quot;/);
});

test('axes step by 1, 2 or 5', () => {
  assert.deepEqual([0.3, 1, 1.1, 17, 60, 0].map(roundStep), [0.5, 1, 2, 20, 100, 1]);
});

test('figures have three digits that count', () => {
  assert.deepEqual([1234.5, 99.94, 4.567, 0.1234, 0].map(digits), ['1,235', '99.9', '4.57', '0.12', '0']);
});
