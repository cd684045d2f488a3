/** Writes results to files: JSON with everything, CSV with a line per measurement, plots. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Measurement } from '../measure/measurement.ts';
import { FIGURE_KEYS, figure } from './figures.ts';
import { plots } from './plots.ts';
import type { Result } from './result.ts';

export function writeJson(file: string, content: unknown): void {
  write(file, `${JSON.stringify(content, null, 2)}\n`);
}

export function writeCsv(file: string, results: readonly Result[]): void {
  write(file, csv(results));
}

/** Returns the files' names. */
export function writePlots(folder: string, result: Result): string[] {
  return plots(result).map(({ name, svg }) => {
    const file = join(folder, `${result.scenario.name}-${name}.svg`);
    write(file, svg);
    return file;
  });
}

/** A line per measurement and a column per figure, RFC 4180. */
export function csv(results: readonly Result[]): string {
  const titles = FIGURE_KEYS.map((key) => {
    const { unit } = figure(key);
    return unit === '' ? key : `${key} (${unit})`;
  });
  const lines = [['scenario', 'server', 'version', 'pair', ...titles]];
  for (const { scenario, pairs } of results) {
    for (const [index, pair] of pairs.entries()) {
      for (const measurement of pair)
        lines.push([scenario.name, ...identity(measurement, index), ...cells(measurement)]);
    }
  }
  return lines.map((line) => `${line.map(quoted).join(',')}\r\n`).join('');
}

function identity({ server, version }: Measurement, pair: number): string[] {
  return [server, version, String(pair + 1)];
}

function cells(measurement: Measurement): string[] {
  return FIGURE_KEYS.map((key) => {
    const value = figure(key).of(measurement);
    return value === null ? '' : String(Number(value.toPrecision(6)));
  });
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
