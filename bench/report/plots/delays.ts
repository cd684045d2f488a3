/** Delay through each server by share of packets: milliseconds on a logarithmic scale. */

import type { FigureKey } from '../figures.ts';
import type { Result } from '../result.ts';
import { COLORS, FAINT, GRID, INK, Svg } from '../svg.ts';
import { digits } from '../table.ts';
import { legend, tick, title } from './parts.ts';

const STOPS: [FigureKey, string][] = [
  ['delayP50', 'p50'],
  ['delayP95', 'p95'],
  ['delayP99', 'p99'],
  ['delayP999', 'p99.9'],
  ['delayMax', 'longest'],
];

export function delays(result: Result): string | undefined {
  const { columns } = result;
  const values = columns.flatMap(({ figures }) => STOPS.flatMap(([key]) => figures[key]?.median ?? []));
  const known = values.filter((value) => value > 0);
  if (known.length === 0) return undefined;
  const [least, most] = [Math.floor(Math.log10(Math.min(...known))), Math.ceil(Math.log10(Math.max(...known)))];
  const svg = new Svg(WIDTH, TOP + HEIGHT + 40);
  title(svg, result, 'forward delay in milliseconds, medians');
  legend(svg, result);
  const decades = Math.max(1, most - least);
  const y = (value: number) => TOP + HEIGHT * (1 - (Math.log10(value) - least) / decades);
  const x = (index: number) => LEFT + ((WIDTH - LEFT - RIGHT) * index) / (STOPS.length - 1);
  for (let power = least; power <= least + decades; power += 1) {
    const value = 10 ** power;
    svg.line(LEFT, y(value), WIDTH - RIGHT, y(value), GRID);
    svg.text(LEFT - 8, y(value) + 4, tick(value), { anchor: 'end', size: 11, color: FAINT });
  }
  for (const [index, [, name]] of STOPS.entries()) svg.text(x(index), TOP + HEIGHT + 22, name, { anchor: 'middle' });
  for (const [place, { server, figures }] of columns.entries()) {
    const color = COLORS[place % COLORS.length] ?? INK;
    const points = STOPS.flatMap(([key], index) => {
      const value = figures[key]?.median ?? 0;
      return value > 0 ? [{ x: x(index), y: y(value), value }] : [];
    });
    svg.curve(
      points.map((point) => [point.x, point.y] as const),
      color,
    );
    for (const point of points) {
      svg.dot(point.x, point.y, color, `${server}: ${digits(point.value)} ms`);
      svg.text(point.x + 6, point.y - 7, digits(point.value), { size: 11, color });
    }
  }
  return svg.toString();
}

const WIDTH = 720;
const HEIGHT = 300;
const TOP = 96;
const LEFT = 64;
const RIGHT = 60;
