/** A panel per headline figure with a bar per server; a whisker from the least to the greatest measurement. */

import { figure } from '../figures.ts';
import type { Result } from '../result.ts';
import { COLORS, FAINT, INK, Svg } from '../svg.ts';
import { digits } from '../table.ts';
import { legend, title } from './parts.ts';

export function bars(result: Result): string | undefined {
  const { columns, scenario } = result;
  const keys = scenario.headline.filter((key) => columns.some(({ figures }) => figures[key] !== undefined));
  if (keys.length === 0) return undefined;
  const panel = PANEL_HEAD + columns.length * BAR_STEP + PANEL_GAP;
  const rows = Math.ceil(keys.length / ACROSS);
  const svg = new Svg(ACROSS * PANEL_WIDTH + MARGIN, TOP + rows * panel);
  title(svg, result, 'medians; whiskers reach from the least to the greatest of the pairs');
  legend(svg, result);
  for (const [index, key] of keys.entries()) {
    const left = MARGIN + (index % ACROSS) * PANEL_WIDTH;
    const top = TOP + Math.floor(index / ACROSS) * panel;
    const { title: name, unit, better } = figure(key);
    const aim = better === undefined ? '' : ` (${better} is better)`;
    svg.text(left, top + 12, `${name}${unit && `, ${unit}`}${aim}`, { bold: true });
    const most = Math.max(...columns.map(({ figures }) => figures[key]?.high ?? 0));
    const scale = most > 0 ? (PANEL_WIDTH - MARGIN - LABEL_WIDTH) / most : 0;
    for (const [place, column] of columns.entries()) {
      const spread = column.figures[key];
      const y = top + PANEL_HEAD + place * BAR_STEP;
      if (spread === undefined) {
        svg.text(left, y + 13, '–', { color: FAINT });
        continue;
      }
      const { median, low, high } = spread;
      const hint = `${column.server}: ${digits(median)} (${digits(low)}–${digits(high)})`;
      svg.bar(left, y, Math.max(1, median * scale), BAR, COLORS[place % COLORS.length] ?? INK, hint);
      const middle = y + BAR / 2;
      if (low < high) svg.line(left + low * scale, middle, left + high * scale, middle, INK);
      svg.text(left + high * scale + 6, y + 13, digits(median));
    }
  }
  return svg.toString();
}

const ACROSS = 3;
const PANEL_WIDTH = 300;
const PANEL_HEAD = 20;
const PANEL_GAP = 22;
const BAR = 18;
const BAR_STEP = 24;
const LABEL_WIDTH = 56;
const MARGIN = 24;
const TOP = 84;
