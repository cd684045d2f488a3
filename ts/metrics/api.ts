/** Calls of the server API, under livekit-server's names (livekit-facts 10). */

import { Counter, Histogram, type Metric } from 'prom-client';

export class ApiMetrics {
  readonly #status = new Counter({
    name: 'livekit_node_twirp_request_status',
    help: 'Calls of the server API by how they ended',
    labelNames: ['service', 'method', 'status', 'code'],
    registers: [],
  });
  readonly #latency = new Histogram({
    name: 'livekit_node_twirp_request_latency_ms',
    help: 'How long calls of the server API took',
    labelNames: ['service', 'method', 'status'],
    buckets: [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000],
    registers: [],
  });

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [this.#status, this.#latency];
  }

  /** `service` by its full name, `code` of Twirp, empty for success. */
  answered(service: string, method: string, httpStatus: number, code: string, ms: number): void {
    const status = httpStatus < 400 ? String(httpStatus) : `${Math.floor(httpStatus / 100)}xx`;
    const labels = { service: service.replace(/^livekit\./, ''), method, status };
    this.#status.inc({ ...labels, code });
    this.#latency.observe(labels, ms);
  }
}
