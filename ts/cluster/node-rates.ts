/** How fast a node's counters grow, over each interval of `node_stats.stats_rate_measurement_intervals` (livekit-facts 8). */

import { noRate } from './node-record.ts';
import type { NodeStats, NodeStatsRate } from './types.ts';

interface Sample {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly stats: NodeStats;
}

export class NodeRates {
  readonly #intervals: readonly number[];
  readonly #samples: Sample[] = [];

  /** Intervals in milliseconds, in the order in which rates are told. */
  constructor(intervals: readonly number[]) {
    this.#intervals = intervals;
  }

  /** The rates up to and with this sample; none while there is nothing to compare with. */
  add(at: number, stats: NodeStats): NodeStatsRate[] {
    const latest = { at, stats };
    this.#samples.push(latest);
    const longest = Math.max(0, ...this.#intervals);
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) >= longest) this.#samples.shift();
    return this.#intervals.flatMap((interval) => {
      const window = this.#samples.filter((sample) => at - sample.at <= interval + SLACK_MS);
      const [first] = window;
      return first === undefined || first.at >= at ? [] : [rateOf(first, latest, window)];
    });
  }
}

function rateOf(first: Sample, last: Sample, window: readonly Sample[]): NodeStatsRate {
  const seconds = (last.at - first.at) / 1000;
  const perSecond = (read: (stats: NodeStats) => number) => Math.max(0, read(last.stats) - read(first.stats)) / seconds;
  const rate = noRate();
  for (const [name, read] of COUNTED) rate[name] = perSecond(read);
  for (const name of LOADS) rate[name] = average(window, name);
  rate.startedAt = first.stats.updatedAt;
  rate.endedAt = last.stats.updatedAt;
  rate.duration = Math.round(seconds);
  return rate;
}

/** Weighted by how long each sample stood for what came before it. */
function average(window: readonly Sample[], name: (typeof LOADS)[number]): number {
  let [sum, total] = [0, 0];
  for (const [index, sample] of window.entries()) {
    const before = window[index - 1];
    if (before === undefined) continue;
    sum += sample.stats[name] * (sample.at - before.at);
    total += sample.at - before.at;
  }
  return total > 0 ? sum / total : 0;
}

const LOADS = ['cpuLoad', 'memoryLoad', 'memoryUsed', 'memoryTotal'] as const;
const COUNTED: readonly [keyof NodeStatsRate, (stats: NodeStats) => number][] = [
  ['bytesIn', (stats) => stats.bytesIn],
  ['bytesOut', (stats) => stats.bytesOut],
  ['packetsIn', (stats) => stats.packetsIn],
  ['packetsOut', (stats) => stats.packetsOut],
  ['nackTotal', (stats) => stats.nackTotal],
  ['sysPacketsOut', (stats) => stats.sysPacketsOut],
  ['sysPacketsDropped', (stats) => stats.sysPacketsDropped],
  ['retransmitBytesOut', (stats) => stats.retransmitBytesOut],
  ['retransmitPacketsOut', (stats) => stats.retransmitPacketsOut],
  ['participantSignalConnected', (stats) => stats.participantSignalConnected],
  ['participantSignalFailed', (stats) => stats.participantSignalFailed],
  ['participantSignalValidationFailed', (stats) => stats.participantSignalValidationFailed],
  ['participantRtcInit', (stats) => stats.participantRtcInit],
  ['participantRtcConnected', (stats) => stats.participantRtcConnected],
  ['participantRtcCanceled', (stats) => stats.participantRtcCanceled],
  ['participantRtcActive', (stats) => stats.participantRtcActive],
  ['trackPublishAttempts', (stats) => stats.numTrackPublishAttempts],
  ['trackPublishSuccess', (stats) => stats.numTrackPublishSuccess],
  ['trackPublishCancels', (stats) => stats.numTrackPublishCancels],
  ['trackSubscribeAttempts', (stats) => stats.numTrackSubscribeAttempts],
  ['trackSubscribeSuccess', (stats) => stats.numTrackSubscribeSuccess],
  ['trackSubscribeCancels', (stats) => stats.numTrackSubscribeCancels],
];
/** Samples are never taken at the very millisecond. */
const SLACK_MS = 500;
