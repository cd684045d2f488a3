/** What all plots have: a title, a legend, axes. */

import type { Result } from '../result.ts';
import { COLORS, FAINT, GRID, INK, type Svg } from '../svg.ts';

export function title(svg: Svg, { scenario, machine }: Result, below: string): void {
  svg.text(24, 28, `${scenario.name}: ${scenario.description}`, { size: 15, bold: true });
  svg.text(24, 46, `${below}; ${machine.cpu}, ${machine.cores} cores, ${machine.commit}`, { color: FAINT });
}

export function legend(svg: Svg, { columns }: Result): void {
  let x = 24;
  for (const [index, { server, version }] of columns.entries()) {
    const name = `${server} ${version}`;
    svg.bar(x, 56, 12, 12, COLORS[index % COLORS.length] ?? INK, name);
    svg.text(x + 17, 66, name);
    x += 17 + name.length * 7 + 20;
  }
}

/** Where a panel's values are drawn; pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** From 0 at the bottom to `most` at the top, with lines at round values. Returns where a value lies. */
export function upright(svg: Svg, box: Box, most: number, name: string): (value: number) => number {
  const step = roundStep(most / 4);
  const top = Math.max(step, Math.ceil(most / step) * step);
  const place = (value: number) => box.top + box.height * (1 - value / top);
  for (let value = 0; value <= top * 1.001; value += step) {
    svg.line(box.left, place(value), box.left + box.width, place(value), GRID);
    svg.text(box.left - 6, place(value) + 4, tick(value), { anchor: 'end', size: 11, color: FAINT });
  }
  svg.text(box.left, box.top - 8, name, { bold: true });
  return place;
}

/** 1, 2 or 5 times a power of ten, not below the value. */
export function roundStep(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value * 0.999) ?? 10);
}

export function tick(value: number): string {
  return value >= 1_000 ? value.toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}
