/** How long packets were in the server, as it counts itself: a histogram between two readings. */

import { z } from 'zod';

/** Milliseconds within which this share of the packets had left; null where none were counted. */
export interface Stays {
  p50: number | null;
  p99: number | null;
  p999: number | null;
}

/** Cumulative counts by bound, in nanoseconds; the last is infinite. */
type Counts = readonly (readonly [bound: number, count: number])[];

const LINE = /^livekit_forward_latency_ns_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)$/gm;

/** From the two texts of a Prometheus endpoint. */
export function staysBetween(before: string, after: string): Stays {
  const earlier = new Map(countsOf(before));
  const counts: Counts = countsOf(after).map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)]);
  return { p50: within(counts, 0.5), p99: within(counts, 0.99), p999: within(counts, 0.999) };
}

function countsOf(text: string): Counts {
  const counts = [...text.matchAll(LINE)].map(([, bound, count]) => {
    return [bound === '+Inf' ? Number.POSITIVE_INFINITY : z.coerce.number().parse(bound), Number(count)] as const;
  });
  if (counts.length === 0) throw new Error('the server does not tell livekit_forward_latency_ns');
  return counts;
}

/** Evenly spread within a bucket; what is beyond the last bound is at that bound, at least. */
function within(counts: Counts, share: number): number | null {
  const all = counts.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  let below = 0;
  let from = 0;
  for (const [bound, count] of counts) {
    if (count >= share * all) {
      const part = Number.isFinite(bound) ? from + ((bound - from) * (share * all - below)) / (count - below) : from;
      return part / 1e6;
    }
    below = count;
    from = bound;
  }
  return null;
}
