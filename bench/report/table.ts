/** The result as text for a terminal. */

import { describeMachine } from '../measure/machine.ts';
import { participants } from '../scenario/schema.ts';
import type { Ratio, Spread } from './compare.ts';
import { type FigureKey, figure } from './figures.ts';
import type { Result } from './result.ts';

export function header(result: Result): string[] {
  const { machine, network, loadGenerator, scenario, columns } = result;
  const { seconds, warmupSeconds, pairs, server, changes } = scenario;
  const way = network === 'veth' ? 'veth pair between two network namespaces' : 'loopback';
  const ports = server.mux ? 'one UDP port' : 'a UDP port per transport';
  const bwe = server.sendSideBwe ? ', send-side bandwidth estimation' : '';
  return [
    ...describeMachine(machine),
    `servers   ${columns.map((column) => `${column.server} ${column.version}`).join(', ')}; ${ports}${bwe}`,
    `load      ${loadGenerator}, ${participants(scenario)} participants over ${way}, ${srtpOf(result)}`,
    `windows   ${seconds} s after ${warmupSeconds} s of warming up, ${pairs} in turn per server, order flipped each time`,
    ...(changes.length > 0 ? [`changed   ${changes.join(' ')}`] : []),
  ];
}

/** One row per headline figure: medians with least and greatest, then how many times better the first server is. */
export function table(result: Result, keys: readonly FigureKey[] = result.scenario.headline): string[] {
  const { columns } = result;
  const rows = [['', ...columns.flatMap((column, index) => [column.server, ...(index > 0 ? ['ratio'] : [])])]];
  for (const key of keys) {
    if (columns.every(({ figures }) => figures[key] === undefined)) continue;
    const { title, unit } = figure(key);
    const cells = columns.flatMap((column, index) => {
      const value = spread(column.figures[key]);
      return index === 0 ? [value] : [value, ratioText(column.ratios[key])];
    });
    rows.push([unit === '' ? title : `${title}, ${unit}`, ...cells]);
  }
  const share = floorShare(result);
  if (share !== undefined) rows.push(share);
  return align(rows);
}

/** Which threads of each server the CPU went to, in its middle measurement; none that took less than a hundredth. */
export function threadLines({ columns, pairs }: Result): string[] {
  return columns.flatMap(({ server }) => {
    const own = pairs.flat().filter((measurement) => measurement.server === server);
    own.sort((one, other) => one.cpu.window.seconds - other.cpu.window.seconds);
    const threads = Object.entries(own[Math.floor(own.length / 2)]?.threads ?? {});
    const shown = threads.filter(([, cores]) => cores >= 0.01).map(([name, cores]) => `${name} ${cores.toFixed(2)}`);
    return shown.length === 0 ? [] : [`cores by thread, ${server}: ${shown.join(', ')}`];
  });
}

/** What has to be known before a figure is believed, then why ratios are missing. */
export function notes(result: Result): string[] {
  const warnings = result.columns.flatMap(({ server, warnings: found }) => found.map((text) => `${server}: ${text}`));
  const refused = new Set(
    result.columns.flatMap(({ ratios }) =>
      Object.values(ratios).flatMap((ratio) => ('refused' in ratio ? [ratio.refused] : [])),
    ),
  );
  return [
    ...warnings.map((text) => `! ${text}`),
    ...[...refused].map((text) => `! no ratio: ${text}`),
    ...result.failures.map((text) => `! failed: ${text}`),
  ];
}

/** Of ratios in tables: `8.1× (7.9–8.4)`, or a dash where there may be none. */
export function ratioText(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '';
  if ('refused' in ratio) return '–';
  const { median, low, high, values } = ratio;
  const range = values.length > 1 ? ` (${digits(low)}–${digits(high)})` : '';
  return `${digits(median)}×${range}`;
}

export function spread(of: Spread | undefined): string {
  if (of === undefined) return '';
  const range = of.values.length > 1 && of.low !== of.high ? ` (${digits(of.low)}–${digits(of.high)})` : '';
  return `${digits(of.median)}${range}`;
}

/** Three digits that count, thousands apart. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  if (size >= 10) return value.toFixed(1);
  return size >= 1 ? value.toFixed(2) : value.toPrecision(2);
}

function floorShare({ columns, floorUs }: Result): string[] | undefined {
  if (floorUs === null) return undefined;
  const cells = columns.flatMap(({ figures }, index) => {
    const per = figures.cpuPerPacket?.median;
    const text = per === undefined ? '' : `${((100 * floorUs) / per).toFixed(0)} %`;
    return index === 0 ? [text] : [text, ''];
  });
  return [`share of the floor (${digits(floorUs)} µs)`, ...cells];
}

function srtpOf({ pairs }: Result): string {
  const suites = new Set(pairs.flat().map(({ server, load }) => `${load.srtp ?? 'unknown SRTP'} with ${server}`));
  const names = new Set(pairs.flat().map(({ load }) => load.srtp ?? 'unknown SRTP'));
  return [...(names.size > 1 ? suites : names)].join(', ');
}

/** The first column to the left, the others to the right. */
export function align(rows: string[][], between = '   '): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => (row[index] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join(between)
      .trimEnd(),
  );
}
