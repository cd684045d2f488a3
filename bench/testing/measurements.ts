/** Measurements for tests, alike but for what a test is about. */

import type { Measurement } from '../measure/measurement.ts';

export interface Special {
  server?: string;
  /** Of the server, in the window of 10 seconds. */
  cpuSeconds?: number;
  received?: number;
  saturated?: boolean;
  joinsFailed?: number;
  joinP50?: number;
  otherCores?: number;
}

export function measurement(special: Special = {}): Measurement {
  const { server = 'Sluice', cpuSeconds = 1, received = 100_000, joinP50 = 20 } = special;
  const { saturated = false, joinsFailed = 0, otherCores = 0 } = special;
  const spent = {
    wallSeconds: 10,
    seconds: cpuSeconds,
    userSeconds: cpuSeconds / 4,
    systemSeconds: cpuSeconds * 0.75,
    busiestThread: cpuSeconds / 20,
  };
  const nothing = { p50: null, p95: null, p99: null, p999: null, max: null };
  return {
    server,
    version: '1.2.3',
    participants: 100,
    memory: {
      idle: { rssMb: 60, pssMb: 50 },
      settled: { rssMb: 70, pssMb: 60 },
      end: { rssMb: 72, pssMb: 61 },
    },
    cpu: { joining: spent, window: spent },
    threads: { worker: cpuSeconds / 20, other: 0.001 },
    others: { busyCores: otherCores, stolenCores: 0 },
    stays: null,
    load: {
      seconds: 10,
      streams: 100,
      packets: { received, sent: 1_000, lost: 0, duplicates: 0, reordered: 0, retransmitted: 0 },
      bytes: { received: received * 1_000, sent: 1_000_000 },
      delayMs: { p50: 0.5, p95: 0.8, p99: 1.1, p999: 2, max: 7 },
      data: { sent: 0, received: 0, lost: 0, delayMs: nothing },
      signals: { sent: 0, received: 0 },
      feedback: {},
      joins: {
        ok: 100 - joinsFailed,
        failed: joinsFailed,
        byReason: joinsFailed > 0 ? { 'HTTP 503': joinsFailed } : {},
        ms: { ...nothing, p50: joinP50 },
        firstMediaMs: nothing,
      },
      load: {
        cpuSeconds: 1,
        busiestThread: 0.3,
        socketDrops: 0,
        saturated,
        reason: saturated ? 'a thread was full' : null,
      },
      srtp: 'AEAD_AES_128_GCM',
      connectMs: nothing,
    },
    curve: {
      samples: [
        { seconds: 0.5, cores: 0.1, rssMb: 60 },
        { seconds: 1, cores: 0.2, rssMb: 70 },
      ],
      settled: 1,
      measuring: 2,
      measured: 12,
    },
  };
}
