import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measurement, type Special } from '../testing/measurements.ts';
import { compare, spreadOf } from './compare.ts';

const SERVERS = ['Sluice', 'other'];

function pairsOf(...pairs: [Special, Special][]) {
  return pairs.map(([ours, theirs]) => [measurement(ours), measurement({ server: 'other', ...theirs })]);
}

function ratios(...pairs: [Special, Special][]) {
  return compare(pairsOf(...pairs), SERVERS)[1]?.ratios ?? {};
}

test('the median of an even number lies between the two in the middle', () => {
  assert.deepEqual(spreadOf([4, 1, 2, 3]), { median: 2.5, low: 1, high: 4, values: [4, 1, 2, 3] });
  assert.deepEqual(spreadOf([5, null, 1, 9]), { median: 5, low: 1, high: 9, values: [5, 1, 9] });
  assert.equal(spreadOf([null]), undefined);
});

test('CPU per packet is CPU time by packets that arrived', () => {
  const [ours] = compare([[measurement({ cpuSeconds: 2, received: 100_000 })]], ['Sluice']);
  assert.equal(ours?.figures.cpuPerPacket?.median, 20);
  assert.equal(ours?.figures.packetsPerCpuSecond?.median, 50_000);
  assert.equal(ours?.figures.memoryPerParticipant?.median, 100);
  assert.equal(ours?.figures.cpuPerPacketUser?.median, 5);
});

test('a ratio is the median of the ratios of pairs, above 1 where the first server wins', () => {
  const found = ratios(
    [{ cpuSeconds: 1 }, { cpuSeconds: 8 }],
    [{ cpuSeconds: 2 }, { cpuSeconds: 8 }],
    [{ cpuSeconds: 1 }, { cpuSeconds: 9 }],
  );
  assert.deepEqual(found.cpuPerPacket, { median: 8, low: 4, high: 9, values: [8, 4, 9] });
  assert.deepEqual(found.packetsPerCpuSecond, { median: 8, low: 4, high: 9, values: [8, 4, 9] });
});

test('what only describes the load has no ratio', () => {
  assert.equal(ratios([{}, {}]).packetsPerSecond, undefined);
});

test('there is no ratio where the load was the bottleneck with either server', () => {
  const found = ratios([{}, { saturated: true }]);
  assert.deepEqual(found.cpuPerPacket, { refused: 'the load was the bottleneck with other' });
  assert.deepEqual(found.joinP50, { refused: 'the load was the bottleneck with other' });
});

test('figures that depend on the rate compare at equal rates only, others at any', () => {
  const found = ratios([{ received: 100_000 }, { received: 50_000 }]);
  assert.deepEqual(found.cpuPerPacket, { refused: 'not the same load: 10000/s and 5000/s' });
  assert.equal('median' in (found.joinP50 ?? {}), true);
});

test('joins that failed are told, and what depends on joins is not compared', () => {
  const pairs = pairsOf([{}, { joinsFailed: 7 }]);
  const [, other] = compare(pairs, SERVERS);
  assert.deepEqual(other?.warnings, ['7 joins failed: HTTP 503 (7)']);
  assert.deepEqual(other?.ratios.joinP50, { refused: '7 of 100 joins failed with other' });
});

test('others that work on the machine are told', () => {
  const [ours] = compare([[measurement({ otherCores: 0.7 })]], ['Sluice']);
  assert.deepEqual(ours?.warnings, ['others took 0.7 cores meanwhile']);
});

test('a server without any measurement has no column, and a pair with one side no ratio', () => {
  assert.equal(compare([[measurement()]], SERVERS).length, 1);
  const pairs = [...pairsOf([{}, { cpuSeconds: 3 }]), [measurement()]];
  assert.deepEqual(compare(pairs, SERVERS)[1]?.ratios.cpuPerPacket, { median: 3, low: 3, high: 3, values: [3] });
});
