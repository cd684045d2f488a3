/** What operators must know of the way in: certificates, refused connections, reloads. */

import { Counter, Gauge, type Metric } from 'prom-client';
import type { CertificateCounts } from '../lib/certificate-files.ts';

export interface EdgeSources {
  certificates: () => readonly CertificateCounts[];
  /** Connections closed because too many of their address were silent. */
  refusedConnections: () => number;
}

export class EdgeMetrics {
  readonly #metrics: Metric[];
  readonly #reloads = new Counter({
    name: 'sluice_config_checks_total',
    help: 'Times that the config file was checked on SIGHUP, by whether it would do for a start: ok or broken',
    labelNames: ['result'],
    registers: [],
  });

  constructor({ certificates, refusedConnections }: EdgeSources) {
    this.#metrics = [loadsOf(certificates), expiryOf(certificates), refusedOf(refusedConnections), this.#reloads];
  }

  configChecked(result: 'ok' | 'broken'): void {
    this.#reloads.inc({ result });
  }

  /** For the exporter's registry. */
  get all(): Metric[] {
    return this.#metrics;
  }
}

function loadsOf(certificates: EdgeSources['certificates']): Metric {
  return new Counter({
    name: 'sluice_certificate_loads_total',
    help: 'Certificates that were read, by section of the config file and whether they are used or refused',
    labelNames: ['section', 'result'],
    registers: [],
    collect() {
      this.reset();
      for (const { section, loaded, refused } of certificates()) {
        this.inc({ section, result: 'used' }, loaded);
        this.inc({ section, result: 'refused' }, refused);
      }
    },
  });
}

function expiryOf(certificates: EdgeSources['certificates']): Metric {
  return new Gauge({
    name: 'sluice_certificate_expiry_timestamp_seconds',
    help: 'End of the certificate in use, by section of the config file',
    labelNames: ['section'],
    registers: [],
    collect() {
      for (const { section, notAfter } of certificates()) {
        if (notAfter !== undefined) this.set({ section }, notAfter.getTime() / 1000);
      }
    },
  });
}

function refusedOf(refusedConnections: () => number): Metric {
  return new Counter({
    name: 'sluice_http_connections_refused_total',
    help: 'Connections closed at once: too many of their address had not sent a request yet',
    registers: [],
    collect() {
      this.reset();
      this.inc(refusedConnections());
    },
  });
}
