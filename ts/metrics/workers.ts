/**
 * What the media workers have counted. TURN and ICE over TCP have metrics of their own, summed over the workers; all
 * else is one metric with the counter's name as a label: reasons come and go with versions, the metric stays.
 */

import { Counter, Gauge, type Metric } from 'prom-client';

type Counts = readonly [name: string, value: number][];

/** A family of counters that begin alike. What follows is the label's value; without a label the name is whole. */
interface Family {
  prefix: string;
  label?: string;
  metric: Counter | Gauge;
}

export class WorkerMetrics {
  readonly #workers: number;
  readonly #ask: (worker: number) => Promise<Counts>;
  readonly #events = counter(
    'sluice_worker_events_total',
    'What a media worker has counted, by name; drop_* are datagrams and packets not used, by reason',
    ['worker', 'event'],
  );
  readonly #families: readonly Family[] = families();

  /** `ask` yields what one worker has counted, by name. */
  constructor(workers: number, ask: (worker: number) => Promise<Counts>) {
    this.#workers = workers;
    this.#ask = ask;
  }

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [this.#events, ...new Set(this.#families.map(({ metric }) => metric))];
  }

  /** Asks every worker. */
  async refresh(): Promise<void> {
    const counts = await Promise.all(Array.from({ length: this.#workers }, (_, worker) => this.#ask(worker)));
    for (const metric of this.all) metric.reset();
    for (const [worker, counters] of counts.entries()) {
      for (const [event, value] of counters) {
        const family = this.#families.find(({ prefix, label }) =>
          label === undefined ? event === prefix : event.startsWith(prefix),
        );
        if (family === undefined) this.#events.inc({ worker, event }, value);
        else if (family.label === undefined) family.metric.inc(value);
        else family.metric.inc({ [family.label]: event.slice(family.prefix.length) }, value);
      }
    }
  }
}

function families(): Family[] {
  return [
    {
      prefix: 'turn_allocations',
      metric: new Gauge({ name: 'sluice_turn_allocations', help: 'Relays that clients hold now', registers: [] }),
    },
    { prefix: 'turn_allocated', metric: counter('sluice_turn_allocations_total', 'Relays that clients were given') },
    {
      prefix: 'turn_refused_',
      label: 'reason',
      metric: counter('sluice_turn_refusals_total', 'Requests to the TURN server that were refused, by reason', [
        'reason',
      ]),
    },
    {
      prefix: 'turn_bytes_',
      label: 'direction',
      metric: counter('sluice_turn_bytes_total', 'Payload relayed, to_peer or to_client', ['direction']),
    },
    {
      prefix: 'turn_packets_',
      label: 'direction',
      metric: counter('sluice_turn_packets_total', 'Packets relayed, to_peer or to_client', ['direction']),
    },
    {
      prefix: 'turn_dropped_',
      label: 'reason',
      metric: counter('sluice_turn_drops_total', 'What the TURN server did not relay, by reason', ['reason']),
    },
    {
      prefix: 'tcp_connections',
      metric: new Gauge({
        name: 'sluice_ice_tcp_connections',
        help: 'Connections for ICE over TCP that are open now',
        registers: [],
      }),
    },
    {
      prefix: 'tcp_refused',
      metric: counter('sluice_ice_tcp_refused_total', 'Connections for ICE over TCP closed at once: too many are open'),
    },
    {
      prefix: 'tcp_accepted',
      metric: counter('sluice_ice_tcp_accepted_total', 'Connections taken for ICE over TCP'),
    },
    {
      prefix: 'tcp_closed_',
      label: 'reason',
      metric: counter('sluice_ice_tcp_closed_total', 'Connections for ICE over TCP that ended, by reason', ['reason']),
    },
    {
      prefix: 'tcp_dropped_',
      label: 'reason',
      metric: counter(
        'sluice_ice_tcp_drops_total',
        'Packets not sent over TCP, by reason: media is dropped, not kept',
        ['reason'],
      ),
    },
  ];
}

function counter(name: string, help: string, labelNames: string[] = []): Counter {
  return new Counter({ name, help, labelNames, registers: [] });
}
