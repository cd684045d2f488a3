import type { Metric } from 'prom-client';

/** Buckets that somebody else counts: upper bounds with how many are at most that, and the sum and number of all. */
export interface CountedBuckets {
  labels: Record<string, string | number>;
  below: readonly (readonly [bound: number, count: number])[];
  sum: number;
  count: number;
}

/** A histogram whose figures come from elsewhere, set whole before each scrape. */
export class CountedHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  #series: readonly CountedBuckets[] = [];

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  set(series: readonly CountedBuckets[]): void {
    this.#series = series;
  }

  /** Asked by the registry at each scrape. */
  get() {
    const { name, help, type, aggregator } = this;
    const values = this.#series.flatMap(({ labels, below, sum, count }) => [
      ...below.map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })),
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ]);
    return { name, help, type, aggregator, values };
  }

  /** For a registry: it asks no more of a metric than what is here, but its type says more. */
  get metric(): Metric {
    return this as unknown as Metric;
  }
}
