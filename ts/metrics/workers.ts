/**
 * What the media workers have counted. What livekit-server counts too goes under its names, TURN and ICE over TCP have
 * metrics of their own, all summed over the workers; what tells one worker from another has the label `worker`. The rest
 * is one metric with the counter's name as a label: reasons come and go with versions, the metric stays.
 */

import { Counter, Gauge, type Metric } from 'prom-client';
import { type CountedBuckets, CountedHistogram } from './counted-histogram.ts';

type Counts = readonly [name: string, value: number][];

/** Where one counter goes, or all that begin alike; what follows is `label`'s value then. */
interface Family {
  prefix: string;
  label?: string;
  /** Labels that are the same for the whole family. */
  labels?: Readonly<Record<string, string>>;
  metric: Counter | Gauge;
  perWorker?: true;
}

export class WorkerMetrics {
  readonly #workers: number;
  readonly #ask: (worker: number) => Promise<Counts>;
  readonly #events = counter('sluice_worker_events_total', 'What else a media worker has counted, by name', [
    'worker',
    'event',
  ]);
  readonly #families: readonly Family[] = families();
  readonly #forward = new CountedHistogram('livekit_forward_latency_ns', 'How long packets were here, at most');
  readonly #turns = new CountedHistogram('sluice_worker_turn_seconds', 'How long the turns of a worker took');
  readonly #latency = new Gauge({
    name: 'livekit_forward_latency',
    help: 'How long packets were here on average since the last scrape, in nanoseconds',
    registers: [],
  });
  readonly #jitter = new Gauge({
    name: 'livekit_forward_jitter',
    help: 'Standard deviation of how long packets were here since the last scrape, in nanoseconds',
    registers: [],
  });
  readonly #streams = {
    dest_count: new CountedHistogram('livekit_datapacket_stream_dest_count', 'Identities that data streams are to'),
    bytes: new CountedHistogram('livekit_datapacket_stream_bytes', 'Announced length of data streams'),
  };
  #before = { sum: 0, count: 0, squares: 0 };

  /** `ask` yields what one worker has counted, by name. */
  constructor(workers: number, ask: (worker: number) => Promise<Counts>) {
    this.#workers = workers;
    this.#ask = ask;
  }

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [
      ...this.#counted,
      this.#latency,
      this.#jitter,
      this.#forward.metric,
      this.#turns.metric,
      this.#streams.dest_count.metric,
      this.#streams.bytes.metric,
    ];
  }

  get #counted(): (Counter | Gauge)[] {
    return [this.#events, ...new Set(this.#families.map(({ metric }) => metric))];
  }

  /** Asks every worker. */
  async refresh(): Promise<void> {
    const counts = await Promise.all(Array.from({ length: this.#workers }, (_, worker) => this.#ask(worker)));
    for (const metric of this.#counted) metric.reset();
    for (const [worker, counters] of counts.entries()) {
      for (const [name, value] of firstSends(counters))
        if (!COUNTED_BUCKETS.test(name)) this.#count(worker, name, value);
    }
    const turns = counts.map((counters, worker) => buckets(counters, 'turn_ns', { worker }, NANOSECONDS));
    this.#turns.set(turns);
    const summed = sumOf(counts);
    this.#tellForwarding(summed);
    this.#tellStreams(summed);
  }

  #count(worker: number, name: string, value: number): void {
    const families = this.#families.filter(({ prefix, label }) =>
      label === undefined ? name === prefix : name.startsWith(prefix),
    );
    if (families.length === 0) this.#events.inc({ worker, event: name }, value);
    for (const { prefix, label, labels, metric, perWorker } of families) {
      const rest = label === undefined ? {} : { [label]: name.slice(prefix.length) };
      metric.inc({ ...labels, ...rest, ...(perWorker === true ? { worker } : {}) }, value);
    }
  }

  #tellForwarding(summed: Counts): void {
    const all = buckets(summed, 'forward_ns', {}, 1);
    this.#forward.set([all]);
    const squares = (new Map(summed).get('forward_us_squares') ?? 0) * 1e6;
    const before = this.#before;
    this.#before = { sum: all.sum, count: all.count, squares };
    const count = all.count - before.count;
    if (count <= 0) return;
    const mean = (all.sum - before.sum) / count;
    this.#latency.set(mean);
    this.#jitter.set(Math.sqrt(Math.max(0, (squares - before.squares) / count - mean ** 2)));
  }

  /** A series for each kind of stream and family of MIME types that was begun. */
  #tellStreams(summed: Counts): void {
    for (const [figure, histogram] of Object.entries(this.#streams)) {
      const series = summed.flatMap(([name]) => {
        const [, type, mime_type] = new RegExp(`^stream_${figure}_([a-z]+)_([a-z]+)_count$`).exec(name) ?? [];
        if (type === undefined || mime_type === undefined) return [];
        return [buckets(summed, `stream_${figure}_${type}_${mime_type}`, { type, mime_type }, 1)];
      });
      histogram.set(series);
    }
  }
}

function sumOf(counts: readonly Counts[]): Counts {
  const summed = new Map<string, number>();
  for (const [name, value] of counts.flat()) summed.set(name, (summed.get(name) ?? 0) + value);
  return [...summed];
}

/** Workers count what goes out again among all that goes out. */
function firstSends(counts: Counts): Counts {
  const told = new Map(counts);
  const again: Record<string, number> = {
    packets_out: told.get('rtx_out') ?? 0,
    bytes_out: told.get('rtx_bytes_out') ?? 0,
  };
  return counts.map(([name, value]) => [name, value - (again[name] ?? 0)]);
}

/** `<name>_le_<bound>`, `<name>_sum` and `<name>_count` as a histogram in another unit. */
function buckets(counts: Counts, name: string, labels: CountedBuckets['labels'], unit: number): CountedBuckets {
  const told = new Map(counts);
  const below = counts.flatMap(([key, value]): [number, number][] => {
    const bound = key.startsWith(`${name}_le_`) ? Number(key.slice(name.length + 4)) : Number.NaN;
    return Number.isNaN(bound) ? [] : [[bound / unit, value]];
  });
  return { labels, below, sum: (told.get(`${name}_sum`) ?? 0) / unit, count: told.get(`${name}_count`) ?? 0 };
}

const NANOSECONDS = 1e9;
const COUNTED_BUCKETS = /^(?:turn_ns|forward_ns|forward_us|stream_dest_count|stream_bytes)_/;

function families(): Family[] {
  return [...sharedFamilies(), ...workerFamilies(), ...turnFamilies(), ...tcpFamilies()];
}

/** Under livekit-server's names. `incoming` is the media of publishers, with the feedback that we send for it. */
function sharedFamilies(): Family[] {
  const labels = ['direction', 'transmission', 'country'];
  const packets = counter('livekit_packet_total', 'Packets', labels);
  const bytes = counter('livekit_packet_bytes', 'Bytes of packets', labels);
  const feedback = ['direction', 'country'];
  const nacks = counter('livekit_nack_total', 'Packets that were asked for again', feedback);
  const plis = counter('livekit_pli_total', 'Key frames that were asked for by PLI', feedback);
  const initial = { transmission: 'initial', country: '' };
  const incoming = { direction: 'incoming', country: '' };
  const outgoing = { direction: 'outgoing', country: '' };
  return [
    { prefix: 'packets_in', metric: packets, labels: { ...initial, direction: 'incoming' } },
    { prefix: 'packets_out', metric: packets, labels: { ...initial, direction: 'outgoing' } },
    { prefix: 'rtx_out', metric: packets, labels: { ...outgoing, transmission: 'retransmit' } },
    { prefix: 'bytes_in', metric: bytes, labels: { ...initial, direction: 'incoming' } },
    { prefix: 'bytes_out', metric: bytes, labels: { ...initial, direction: 'outgoing' } },
    { prefix: 'rtx_bytes_out', metric: bytes, labels: { ...outgoing, transmission: 'retransmit' } },
    { prefix: 'nack_out', metric: nacks, labels: incoming },
    { prefix: 'nack_in', metric: nacks, labels: outgoing },
    { prefix: 'key_frame_requests', metric: plis, labels: incoming },
    { prefix: 'pli_in', metric: plis, labels: outgoing },
    {
      prefix: 'fir_in',
      metric: counter('livekit_fir_total', 'Key frames that were asked for by FIR', feedback),
      labels: outgoing,
    },
  ];
}

/** What tells one worker from another. */
function workerFamilies(): Family[] {
  const held = new Gauge({
    name: 'sluice_worker_objects',
    help: 'What a media worker holds now, by kind',
    labelNames: ['worker', 'kind'],
    registers: [],
  });
  const kinds = ['peers', 'up_tracks', 'down_tracks', 'links', 'rooms', 'participants', 'routes'];
  return [
    ...kinds.map((kind): Family => ({ prefix: kind, metric: held, labels: { kind }, perWorker: true })),
    {
      prefix: 'drop_',
      label: 'reason',
      metric: counter('sluice_worker_drops_total', 'Datagrams, packets and messages not used, by reason', [
        'worker',
        'reason',
      ]),
      perWorker: true,
    },
  ];
}

function turnFamilies(): Family[] {
  const connections = new Gauge({
    name: 'livekit_connection_total',
    help: 'Connections of the TURN server: incoming over TCP and TLS, outgoing relays',
    labelNames: ['kind'],
    registers: [],
  });
  return [
    { prefix: 'turn_tcp_connections', metric: connections, labels: { kind: 'incoming' } },
    { prefix: 'turn_tls_connections', metric: connections, labels: { kind: 'incoming' } },
    { prefix: 'turn_allocations', metric: connections, labels: { kind: 'outgoing' } },
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
  ];
}

function tcpFamilies(): Family[] {
  return [
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
