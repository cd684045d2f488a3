/**
 * Figures for Prometheus on a port of their own (docs/metrics.md): what livekit-server counts too under its names
 * (livekit-facts 10), all else under ours, and the process's own. Workers are asked at each scrape only.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ApiMetrics } from './api.ts';
import type { ClusterMetrics } from './cluster.ts';
import type { ConnectionMetrics } from './connections.ts';
import type { EdgeMetrics } from './edge.ts';
import type { RpcMetrics } from './rpc.ts';
import type { SessionMetrics } from './sessions.ts';
import type { SignalMetrics } from './signals.ts';
import type { TrackMetrics } from './tracks.ts';
import { WorkerMetrics } from './workers.ts';

export interface Totals {
  rooms: number;
  participants: number;
}

/** Modulo 2^32. */
export interface SentPackets {
  sysPacketsOut: number;
  sysPacketsDropped: number;
}

export interface ExporterSources {
  nodeId: string;
  totals: () => Totals;
  /** How many workers there are, and what one has counted, by name. */
  workers: number;
  workerCounters: (worker: number) => Promise<[string, number][]>;
  /** Packets that all interfaces sent and dropped, from any moment on. */
  sentPackets: () => SentPackets;
  connections: ConnectionMetrics;
  signals: SignalMetrics;
  sessions: SessionMetrics;
  tracks: TrackMetrics;
  edge: EdgeMetrics;
  cluster: ClusterMetrics;
  rpc: RpcMetrics;
  api: ApiMetrics;
}

export interface ExporterSettings {
  port: number;
  /** Basic authentication; empty for none. */
  username: string;
  password: string;
}

export class MetricsExporter {
  readonly #registry = new Registry();
  readonly #workers: WorkerMetrics;
  readonly #server: Server;
  readonly #settings: ExporterSettings;

  constructor(sources: ExporterSources, settings: ExporterSettings) {
    this.#settings = settings;
    this.#registry.setDefaultLabels({ node_id: sources.nodeId, node_type: 'SERVER' });
    addTotals(this.#registry, sources.totals);
    addSentPackets(this.#registry, sources.sentPackets);
    this.#workers = new WorkerMetrics(sources.workers, sources.workerCounters);
    const { connections, signals, sessions, tracks, edge, cluster, rpc, api } = sources;
    const groups = [this.#workers, connections, signals, sessions, tracks, edge, cluster, rpc, api];
    for (const metric of groups.flatMap(({ all }) => all)) this.#registry.registerMetric(metric);
    collectDefaultMetrics({ register: this.#registry });
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Rejects where the port is taken. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#settings.port, () => resolve());
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#allows(request.headers.authorization ?? '')) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="metrics"' }).end();
      return;
    }
    try {
      await this.#workers.refresh();
      const body = await this.#registry.metrics();
      response.writeHead(200, { 'content-type': this.#registry.contentType }).end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  }

  #allows(authorization: string): boolean {
    const { username, password } = this.#settings;
    if (username === '') return true;
    const wanted = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const hash = (text: string) => createHash('sha256').update(text).digest();
    return timingSafeEqual(hash(authorization), hash(wanted));
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function addTotals(registry: Registry, totals: () => Totals): void {
  const gauges: [string, string, (now: Totals) => number][] = [
    ['livekit_room_total', 'Rooms on this node', ({ rooms }) => rooms],
    ['livekit_participant_total', 'Participants on this node', ({ participants }) => participants],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read(totals()));
      },
    });
  }
}

/** From zero when the server starts, as livekit-server has it. */
function addSentPackets(registry: Registry, read: () => SentPackets): void {
  const before = read();
  const since = (now: number, then: number) => (now - then + 2 ** 32) % 2 ** 32;
  new Gauge({
    name: 'livekit_node_packet_total',
    help: 'Packets of the whole system since the start of the server: out, or dropped before they were sent',
    labelNames: ['type'],
    registers: [registry],
    collect() {
      const now = read();
      this.set({ type: 'out' }, since(now.sysPacketsOut, before.sysPacketsOut));
      this.set({ type: 'dropped' }, since(now.sysPacketsDropped, before.sysPacketsDropped));
    },
  });
}
