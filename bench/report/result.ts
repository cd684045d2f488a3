/** Everything that is known after a scenario ran: what the JSON file holds and every other report is made of. */

import type { Machine } from '../measure/machine.ts';
import type { Measurement } from '../measure/measurement.ts';
import type { Scenario } from '../scenario/schema.ts';
import type { Column } from './compare.ts';

export interface Result {
  machine: Machine;
  network: 'veth' | 'loopback';
  loadGenerator: string;
  scenario: Scenario;
  /** The first is ours. */
  columns: Column[];
  /** What the load generator's `floor` printed in this run. */
  floor: unknown;
  /** The least CPU that a packet of this scenario can cost here; microseconds. */
  floorUs: number | null;
  failures: string[];
  pairs: Measurement[][];
}
