import assert from 'node:assert/strict';
import { test } from 'node:test';
import { staysBetween } from './stays.ts';

function told(counts: Record<string, number>): string {
  const lines = Object.entries(counts).map(([bound, count]) => {
    return `livekit_forward_latency_ns_bucket{node_id="n",le="${bound}"} ${count}`;
  });
  return ['# TYPE livekit_forward_latency_ns histogram', ...lines, 'livekit_forward_latency_ns_count 9', ''].join('\n');
}

test('what was counted between two readings is spread evenly within a bucket', () => {
  const before = told({ 50000: 100, 100000: 100, '+Inf': 100 });
  const after = told({ 50000: 120, 100000: 200, '+Inf': 200 });
  // 20 of 100 within 50 µs, the other 80 up to 100 µs.
  assert.deepEqual(staysBetween(before, after), { p50: 0.06875, p99: 0.099375, p999: 0.0999375 });
});

test('what is beyond the last bound is at least that', () => {
  const none = told({ 50000: 0, '+Inf': 0 });
  assert.equal(staysBetween(none, told({ 50000: 0, '+Inf': 5 })).p99, 0.05);
  assert.deepEqual(staysBetween(none, none), { p50: null, p99: null, p999: null });
});

test('a server that tells nothing of it is refused', () => {
  assert.throws(() => staysBetween('', ''), /livekit_forward_latency_ns/);
});
