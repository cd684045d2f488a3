import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { ApiMetrics } from './api.ts';
import { RpcMetrics } from './rpc.ts';

async function scrape(metrics: RpcMetrics | ApiMetrics): Promise<string> {
  const registry = new Registry();
  for (const metric of metrics.all) registry.registerMetric(metric);
  return registry.metrics();
}

test('calls, errors and streams are labelled as livekit does it', async () => {
  const metrics = new RpcMetrics();
  const labels = { role: 'client', kind: 'rpc', service: 'Room', method: 'SendData' } as const;
  const outcome = { ms: 12, bytesIn: 3, bytesOut: 40, error: undefined, responses: 1, errors: 0 };
  metrics.requestDone(labels, outcome);
  metrics.requestDone(labels, { ...outcome, error: 'deadline_exceeded' });
  metrics.requestDone({ ...labels, kind: 'multi' }, { ...outcome, responses: 0 });
  metrics.claimDecided(labels, 'lost', 7);
  metrics.streamOpened(labels);
  metrics.streamSent(labels, 5, 9, 'unavailable');
  const text = await scrape(metrics);
  for (const line of [
    'livekit_psrpc_request_time_ms_count{role="client",kind="rpc",service="Room",method="SendData"} 1',
    'livekit_psrpc_error_total{role="client",kind="rpc",service="Room",method="SendData",error_code="deadline_exceeded"} 1',
    'livekit_psrpc_error_total{role="client",kind="multirpc",service="Room",method="SendData",error_code="unavailable"} 1',
    'livekit_psrpc_bytes_total{role="client",kind="rpc",service="Room",method="SendData",direction="rx"} 80',
    'livekit_psrpc_bytes_total{role="client",kind="stream",service="Room",method="SendData",direction="tx"} 9',
    'livekit_psrpc_stream_count{role="client",service="Room",method="SendData"} 1',
    'livekit_psrpc_claim_wait_time_ms_count{service="Room",method="SendData",outcome="lost_to_peer"} 1',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line}\n${text}`);
  }
});

test('calls of the API are told by family of status', async () => {
  const metrics = new ApiMetrics();
  metrics.answered('livekit.RoomService', 'GetParticipant', 404, 'not_found', 2);
  metrics.answered('livekit.RoomService', 'ListRooms', 200, '', 30);
  const text = await scrape(metrics);
  assert.match(
    text,
    /twirp_request_status\{service="RoomService",method="GetParticipant",status="4xx",code="not_found"\} 1/,
  );
  assert.match(
    text,
    /twirp_request_latency_ms_bucket\{le="25",service="RoomService",method="ListRooms",status="200"\} 0/,
  );
});
