/** From the measurements of a run to medians, spreads and ratios, or to why there is none. */

import type { Measurement } from '../measure/measurement.ts';
import { FIGURE_KEYS, type FigureKey, figure } from './figures.ts';

export interface Spread {
  median: number;
  low: number;
  high: number;
  /** In the order of the pairs. */
  values: number[];
}

/** How many times better the first server is: above 1 it wins. */
export type Ratio = Spread | { refused: string };

export interface Column {
  server: string;
  version: string;
  figures: Partial<Record<FigureKey, Spread>>;
  /** Of the first server to this one; none in the first one's own column. */
  ratios: Partial<Record<FigureKey, Ratio>>;
  /** What a reader has to know before believing. */
  warnings: string[];
}

/** Each pair holds one measurement per server; the first column is what the others are compared with. */
export type Pair = readonly Measurement[];

export function compare(pairs: readonly Pair[], servers: readonly string[]): Column[] {
  const [ours] = servers;
  return servers.flatMap((server) => {
    const own = pairs.flatMap((pair) => pair.filter((measurement) => measurement.server === server));
    const [first] = own;
    if (first === undefined) return [];
    const column: Column = { server, version: first.version, figures: {}, ratios: {}, warnings: warningsOf(own) };
    for (const key of FIGURE_KEYS) {
      const spread = spreadOf(own.map((measurement) => figure(key).of(measurement)));
      if (spread !== undefined) column.figures[key] = spread;
      if (server === ours || ours === undefined) continue;
      const ratio = ratioOf(key, pairs, ours, server);
      if (ratio !== undefined) column.ratios[key] = ratio;
    }
    return [column];
  });
}

export function spreadOf(values: readonly (number | null)[]): Spread | undefined {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return undefined;
  const sorted = [...known].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  const lower = sorted[Math.ceil(middle) - 1] ?? 0;
  return { median: (upper + lower) / 2, low: sorted[0] ?? 0, high: sorted.at(-1) ?? 0, values: known };
}

/** The median of the pairs' ratios: what the machine did to both sides of a pair alike drops out of each. */
function ratioOf(key: FigureKey, pairs: readonly Pair[], ours: string, theirs: string): Ratio | undefined {
  const { better, perLoad, of } = figure(key);
  if (better === undefined) return undefined;
  const ratios: number[] = [];
  for (const pair of pairs) {
    const one = pair.find(({ server }) => server === ours);
    const other = pair.find(({ server }) => server === theirs);
    if (one === undefined || other === undefined) continue;
    const refused = whyNot(one, other, perLoad === true);
    if (refused !== undefined) return { refused };
    const [mine, yours] = [of(one), of(other)];
    if (mine === null || yours === null || mine <= 0 || yours <= 0) continue;
    ratios.push(better === 'less' ? yours / mine : mine / yours);
  }
  return spreadOf(ratios);
}

function whyNot(one: Measurement, other: Measurement, perLoad: boolean): string | undefined {
  for (const { server, load } of [one, other]) {
    if (load.load.saturated) return `the load was the bottleneck with ${server}`;
  }
  for (const { server, load } of perLoad ? [] : [one, other]) {
    const asked = load.joins.ok + load.joins.failed;
    if (load.joins.failed > asked * TOLERATED_FAILURES)
      return `${load.joins.failed} of ${asked} joins failed with ${server}`;
  }
  if (!perLoad) return undefined;
  for (const rate of [packets, messages]) {
    const [mine, yours] = [rate(one), rate(other)];
    if (Math.abs(mine - yours) > TOLERATED_DIFFERENCE * Math.max(mine, yours)) {
      return `not the same load: ${mine.toFixed(0)}/s and ${yours.toFixed(0)}/s`;
    }
  }
  return undefined;
}

const packets = ({ load }: Measurement) => load.packets.received / load.seconds;
const messages = ({ load }: Measurement) => load.data.received / load.seconds;

function warningsOf(measurements: readonly Measurement[]): string[] {
  const found = new Set<string>();
  for (const { load, others } of measurements) {
    const { saturated, reason, socketDrops } = load.load;
    if (saturated) found.add(`the load was the bottleneck${reason ? `: ${reason}` : ''}`);
    if (socketDrops > 0) found.add(`${socketDrops} packets were dropped at the load's own sockets`);
    if (load.joins.failed > 0) {
      const reasons = Object.entries(load.joins.byReason).map(([why, count]) => `${why} (${count})`);
      found.add(`${load.joins.failed} joins failed: ${reasons.join(', ') || 'without a reason'}`);
    }
    if (others.busyCores > NOISY_CORES) found.add(`others took ${others.busyCores.toFixed(1)} cores meanwhile`);
    if (others.stolenCores > STOLEN_CORES) found.add(`the host took ${others.stolenCores.toFixed(2)} cores away`);
  }
  return [...found];
}

/** Rates that differ by more are different loads: what a packet costs falls steeply with the rate. */
const TOLERATED_DIFFERENCE = 0.1;
/** Share of joins. */
const TOLERATED_FAILURES = 0.01;
/** Of a machine with two of them this is what a quiet one takes by itself, the runner included. */
const NOISY_CORES = 0.2;
const STOLEN_CORES = 0.05;
