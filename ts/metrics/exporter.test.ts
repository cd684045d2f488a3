import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ApiMetrics } from './api.ts';
import { ClusterMetrics } from './cluster.ts';
import { ConnectionMetrics } from './connections.ts';
import { EdgeMetrics } from './edge.ts';
import { MetricsExporter } from './exporter.ts';
import { RpcMetrics } from './rpc.ts';
import { SessionMetrics } from './sessions.ts';
import { SignalMetrics } from './signals.ts';
import { TrackMetrics } from './tracks.ts';

const sources = {
  nodeId: 'ND_1',
  totals: () => ({ rooms: 2, participants: 5 }),
  workers: 2,
  workerCounters: async (): Promise<[string, number][]> => [
    ['link_in', 7],
    ['drop_srtp_rejected', 3],
  ],
  sentPackets: () => ({ sysPacketsOut: 0, sysPacketsDropped: 0 }),
  connections: new ConnectionMetrics(),
  signals: new SignalMetrics(),
  sessions: new SessionMetrics(),
  tracks: new TrackMetrics(),
  rpc: new RpcMetrics(),
  api: new ApiMetrics(),
  cluster: new ClusterMetrics(() => ({
    redisUp: true,
    redisOutages: 1,
    leaseValid: true,
    leasesLost: 2,
    draining: false,
    roomsClaimed: 3,
    roomsLost: 4,
    nodesGone: 5,
    nodesAvailable: 6,
    relayedOut: 7,
    relayedIn: 8,
    relaysBroken: 9,
  })),
  edge: new EdgeMetrics({ certificates: () => [], refusedConnections: () => 0 }),
};

test('a scrape shows rooms, participants and what each worker dropped and why', async () => {
  const port = 20_000 + (process.pid % 12_000);
  const exporter = new MetricsExporter(sources, { port, username: '', password: '' });
  await exporter.listen();
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assert.match(text, /livekit_participant_total\{node_id="ND_1",node_type="SERVER"\} 5/);
  assert.match(text, /sluice_node_lease_valid\{.*\} 1/);
  assert.match(text, /sluice_relayed_sessions\{direction="in",.*\} 8/);
  assert.match(text, /sluice_worker_drops_total\{reason="srtp_rejected",worker="1".*\} 3/);
  const documented = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const names = [...text.matchAll(/^# HELP ((?:sluice|livekit)_\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(
    names.filter((name) => !documented.includes(`\`${name}\``)),
    [],
  );
  const again = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assert.match(again, /sluice_worker_events_total\{worker="1",event="link_in".*\} 7/);
  await exporter.close();
});

test('with a name and a password nobody else gets in', async () => {
  const port = 20_001 + (process.pid % 12_000);
  const exporter = new MetricsExporter(sources, { port, username: 'ops', password: 'secret' });
  await exporter.listen();
  const ask = (authorization: string) => fetch(`http://127.0.0.1:${port}/`, { headers: { authorization } });
  assert.equal((await ask('')).status, 401);
  assert.equal((await ask(`Basic ${Buffer.from('ops:wrong').toString('base64')}`)).status, 401);
  assert.equal((await ask(`Basic ${Buffer.from('ops:secret').toString('base64')}`)).status, 200);
  await exporter.close();
});
