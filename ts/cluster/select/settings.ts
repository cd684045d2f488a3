/** `node_selector` and `limit` of the config file (livekit-facts 9.2), as selection reads them. */

export type SelectorKind = 'any' | 'cpuload' | 'sysload' | 'regionaware' | 'random';
export type SortBy = 'random' | 'sysload' | 'cpuload' | 'rooms' | 'clients' | 'tracks' | 'bytespersec';
export type Algorithm = 'lowest' | 'twochoice';

export interface Region {
  readonly name: string;
  /** Degrees. */
  readonly lat: number;
  readonly lon: number;
}

export interface SelectorSettings {
  readonly kind: SelectorKind;
  readonly sortBy: SortBy;
  readonly algorithm: Algorithm;
  /** Nodes at or above it are left out while there are others; 0 to 1. */
  readonly cpuLoadLimit: number;
  readonly sysloadLimit: number;
  readonly regions: readonly Region[];
  /** Where this node is. */
  readonly region: string;
}

/** What one node takes before it is full; 0 or less for no limit. */
export interface NodeLimits {
  /** Published and subscribed together. */
  readonly numTracks: number;
  /** In and out together. */
  readonly bytesPerSec: number;
}
