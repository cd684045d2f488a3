import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { EdgeMetrics } from './edge.ts';

test('certificates are counted and their ends shown, however often somebody looks', async () => {
  const notAfter = new Date('2030-01-01T00:00:00Z');
  const edge = new EdgeMetrics({
    certificates: () => [
      { section: 'tls', loaded: 2, refused: 1, notAfter },
      { section: 'turn', loaded: 0, refused: 0, notAfter: undefined },
    ],
    refusedConnections: () => 7,
  });
  edge.configChecked('broken');
  const registry = new Registry();
  for (const metric of edge.all) registry.registerMetric(metric);
  await registry.metrics();
  const text = await registry.metrics();
  assert.match(text, /sluice_certificate_loads_total\{section="tls",result="used"\} 2/);
  assert.match(text, /sluice_certificate_loads_total\{section="tls",result="refused"\} 1/);
  assert.match(text, /sluice_certificate_expiry_timestamp_seconds\{section="tls"\} 1893456000/);
  assert.match(text, /sluice_http_connections_refused_total 7/);
  assert.match(text, /sluice_config_checks_total\{result="broken"\} 1/);
});
