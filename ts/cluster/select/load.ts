/** How busy a node is, in the terms of `node_selector` and `limit`. Pure. */

import type { NodeStats } from '../types.ts';
import type { NodeLimits, SortBy } from './settings.ts';

/** Load average of the last minute per CPU. */
export function sysload(stats: NodeStats): number {
  return stats.loadAvgLast1min / Math.max(1, stats.numCpus);
}

/** Over the first of the configured intervals. */
export function bytesPerSecond({ rates }: NodeStats): number {
  const [first] = rates;
  return first === undefined ? 0 : first.bytesIn + first.bytesOut;
}

export function isFull(stats: NodeStats, { numTracks, bytesPerSec }: NodeLimits): boolean {
  if (numTracks > 0 && stats.numTracksIn + stats.numTracksOut >= numTracks) return true;
  return bytesPerSec > 0 && bytesPerSecond(stats) >= bytesPerSec;
}

/** Less is better; `random` has no figure. */
export const FIGURES: Record<Exclude<SortBy, 'random'>, (stats: NodeStats) => number> = {
  sysload,
  cpuload: ({ cpuLoad }) => cpuLoad,
  rooms: ({ numRooms }) => numRooms,
  clients: ({ numClients }) => numClients,
  tracks: ({ numTracksIn, numTracksOut }) => numTracksIn + numTracksOut,
  bytespersec: bytesPerSecond,
};
