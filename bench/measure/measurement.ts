/** One server under one load, once: what was seen of both. */

import type { LoadReport } from './load.ts';
import type { CpuSpent, Memory } from './proc.ts';
import type { Sample } from './sampler.ts';
import type { Stays } from './stays.ts';

export interface Measurement {
  server: string;
  version: string;
  /** Who joined, all rooms together. */
  participants: number;
  /** Of the server's process tree. */
  memory: { idle: Memory; settled: Memory; end: Memory };
  /** From the first join until everybody was there, and while measuring. */
  cpu: { joining: CpuSpent; window: CpuSpent };
  /** Of the server while measuring, by the names of its threads; in cores. */
  threads: Record<string, number>;
  /** What neither the server nor the load took of the machine while measuring; in cores. */
  others: { busyCores: number; stolenCores: number };
  load: LoadReport;
  /** How long packets were in the server, by its own count; null where that was not asked for. */
  stays: Stays | null;
  /** Since the server was started, with the times at which the load said so; seconds. */
  curve: { samples: Sample[]; settled: number; measuring: number; measured: number };
}
