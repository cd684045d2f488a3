import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { WorkerMetrics } from './workers.ts';

const COUNTS: [string, number][][] = [
  [
    ['packets_in', 7],
    ['packets_out', 20],
    ['rtx_out', 5],
    ['nack_in', 6],
    ['key_frame_requests', 2],
    ['link_in', 8],
    ['drop_junk', 1],
    ['peers', 3],
    ['forward_ns_le_50000', 3],
    ['forward_ns_le_100000', 4],
    ['forward_ns_sum', 400_000],
    ['forward_ns_count', 5],
    ['turn_ns_le_50000', 1],
    ['turn_ns_sum', 50_000],
    ['turn_ns_count', 1],
    ['turn_allocations', 2],
    ['turn_allocated', 9],
    ['turn_refused_stale_nonce', 3],
    ['turn_bytes_to_peer', 1000],
    ['turn_dropped_no_permission', 1],
    ['tcp_accepted', 4],
    ['tcp_connections', 3],
    ['tcp_closed_slow', 1],
    ['turn_tcp_connections', 4],
    ['stream_dest_count_bytes_image_le_1', 1],
    ['stream_dest_count_bytes_image_sum', 1],
    ['stream_dest_count_bytes_image_count', 1],
    ['stream_bytes_bytes_image_le_2048', 1],
    ['stream_bytes_bytes_image_sum', 2000],
    ['stream_bytes_bytes_image_count', 1],
  ],
  [
    ['packets_in', 1],
    ['forward_ns_le_50000', 1],
    ['forward_ns_sum', 40_000],
    ['forward_ns_count', 1],
    ['turn_allocations', 1],
    ['turn_refused_stale_nonce', 2],
    ['tcp_dropped_full', 5],
    ['stream_dest_count_bytes_image_le_1', 2],
    ['stream_dest_count_bytes_image_sum', 2],
    ['stream_dest_count_bytes_image_count', 2],
  ],
];

test('what livekit-server counts, TURN and ICE over TCP are summed over workers, all else is told per worker', async () => {
  const counts = structuredClone(COUNTS);
  const metrics = new WorkerMetrics(2, async (worker) => counts[worker] ?? []);
  const registry = new Registry();
  for (const metric of metrics.all) registry.registerMetric(metric);
  await metrics.refresh();
  await metrics.refresh();
  const text = await registry.metrics();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of [
    'livekit_packet_total{transmission="initial",country="",direction="incoming"} 8',
    'livekit_packet_total{transmission="initial",country="",direction="outgoing"} 15',
    'livekit_packet_total{direction="outgoing",country="",transmission="retransmit"} 5',
    'livekit_nack_total{direction="outgoing",country=""} 6',
    'livekit_pli_total{direction="incoming",country=""} 2',
    'livekit_forward_latency_ns_bucket{le="50000"} 4',
    'livekit_forward_latency_ns_bucket{le="+Inf"} 6',
    'livekit_forward_latency_ns_sum 440000',
    'sluice_worker_turn_seconds_bucket{worker="0",le="0.00005"} 1',
    'sluice_worker_turn_seconds_count{worker="1"} 0',
    'sluice_worker_objects{kind="peers",worker="0"} 3',
    'sluice_worker_drops_total{reason="junk",worker="0"} 1',
    'sluice_worker_events_total{worker="0",event="link_in"} 8',
    'sluice_turn_allocations 3',
    'sluice_turn_allocations_total 9',
    'sluice_turn_refusals_total{reason="stale_nonce"} 5',
    'sluice_turn_bytes_total{direction="to_peer"} 1000',
    'sluice_turn_drops_total{reason="no_permission"} 1',
    'sluice_ice_tcp_accepted_total 4',
    'sluice_ice_tcp_connections 3',
    'sluice_ice_tcp_closed_total{reason="slow"} 1',
    'sluice_ice_tcp_drops_total{reason="full"} 5',
    'livekit_connection_total{kind="incoming"} 4',
    'livekit_connection_total{kind="outgoing"} 3',
    'livekit_datapacket_stream_dest_count_bucket{type="bytes",mime_type="image",le="1"} 3',
    'livekit_datapacket_stream_bytes_sum{type="bytes",mime_type="image"} 2000',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${lines.join('\n')}`);
  }
  counts[0] = [['turn_allocations', 0]];
  await metrics.refresh();
  assert.match(await registry.metrics(), /^sluice_turn_allocations 1$/m);
});

test('forwarding is told by its mean and its spread since the last scrape', async () => {
  let counts: [string, number][] = [];
  const metrics = new WorkerMetrics(1, async () => counts);
  const registry = new Registry();
  for (const metric of metrics.all) registry.registerMetric(metric);
  counts = [
    ['forward_ns_sum', 9e9],
    ['forward_ns_count', 10],
    ['forward_us_squares', 1e13],
  ];
  await metrics.refresh();
  // Two packets of 100 µs and two of 300 µs since.
  counts = [
    ['forward_ns_sum', 9e9 + 800_000],
    ['forward_ns_count', 14],
    ['forward_us_squares', 1e13 + 200_000],
  ];
  await metrics.refresh();
  const text = await registry.metrics();
  assert.match(text, /^livekit_forward_latency 200000$/m);
  assert.match(text, /^livekit_forward_jitter 100000$/m);
});
