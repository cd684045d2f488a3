import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { WorkerMetrics } from './workers.ts';

const COUNTS: [string, number][][] = [
  [
    ['packets_in', 7],
    ['turn_allocations', 2],
    ['turn_allocated', 9],
    ['turn_refused_stale_nonce', 3],
    ['turn_bytes_to_peer', 1000],
    ['turn_dropped_no_permission', 1],
    ['tcp_accepted', 4],
    ['tcp_connections', 3],
    ['tcp_closed_slow', 1],
  ],
  [
    ['turn_allocations', 1],
    ['turn_refused_stale_nonce', 2],
    ['tcp_dropped_full', 5],
  ],
];

test('TURN and ICE over TCP are summed over workers and told by reason, all else per worker', async () => {
  const counts = structuredClone(COUNTS);
  const metrics = new WorkerMetrics(2, async (worker) => counts[worker] ?? []);
  const registry = new Registry();
  for (const metric of metrics.all) registry.registerMetric(metric);
  await metrics.refresh();
  await metrics.refresh();
  const text = await registry.metrics();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of [
    'sluice_worker_events_total{worker="0",event="packets_in"} 7',
    'sluice_turn_allocations 3',
    'sluice_turn_allocations_total 9',
    'sluice_turn_refusals_total{reason="stale_nonce"} 5',
    'sluice_turn_bytes_total{direction="to_peer"} 1000',
    'sluice_turn_drops_total{reason="no_permission"} 1',
    'sluice_ice_tcp_accepted_total 4',
    'sluice_ice_tcp_connections 3',
    'sluice_ice_tcp_closed_total{reason="slow"} 1',
    'sluice_ice_tcp_drops_total{reason="full"} 5',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${lines.join('\n')}`);
  }
  counts[0] = [['turn_allocations', 0]];
  await metrics.refresh();
  assert.match(await registry.metrics(), /^sluice_turn_allocations 1$/m);
});
