/** A ramp as text: a line per step. */

import type { Ramp } from '../scenario/ramp.ts';
import { type FigureKey, figure } from './figures.ts';
import { align, digits } from './table.ts';

const COLUMNS: [FigureKey, string][] = [
  ['packetsIn', 'in/s'],
  ['packetsPerSecond', 'out/s'],
  ['mbitPerSecond', 'Mbit/s'],
  ['cpuCores', 'cores'],
  ['busiestThread', 'busiest %'],
  ['cpuPerPacket', 'µs/packet'],
  ['memorySettled', 'MB'],
  ['memoryPerParticipant', 'kB each'],
  ['joinP50', 'join p50'],
  ['joinP95', 'p95'],
  ['joinP99', 'p99 ms'],
  ['delayP50', 'delay p50'],
  ['delayP99', 'p99'],
  ['delayP999', 'p99.9 ms'],
  ['lossPercent', 'lost %'],
  ['nacks', 'NACK/s'],
  ['plis', 'PLI/s'],
];

/** Columns without a figure in any step are left out. */
export function rampTable({ server, version, key, steps, ended }: Ramp): string[] {
  const shown = COLUMNS.filter(([column]) => steps.some(({ measurement }) => figure(column).of(measurement) !== null));
  const rows = [[key.split('.').slice(-2).join('.'), 'people', ...shown.map(([, title]) => title)]];
  for (const { value, measurement } of steps) {
    const cells = shown.map(([column]) => {
      const found = figure(column).of(measurement);
      return found === null ? '' : digits(found);
    });
    rows.push([value, String(measurement.participants), ...cells]);
  }
  return [`${server} ${version}`, ...align(rows, '  '), ended];
}
