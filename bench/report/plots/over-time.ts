/** CPU and memory of each server from its start to the end of the window: a curve per measurement. */

import type { Measurement } from '../../measure/measurement.ts';
import type { Sample } from '../../measure/sampler.ts';
import type { Result } from '../result.ts';
import { COLORS, FAINT, INK, Svg } from '../svg.ts';
import { type Box, legend, roundStep, tick, title, upright } from './parts.ts';

const PANELS: [string, keyof Omit<Sample, 'seconds'>][] = [
  ['CPU, cores', 'cores'],
  ['resident memory, MB', 'rssMb'],
];

export function overTime(result: Result): string | undefined {
  const measurements = result.pairs.flat();
  const samples = measurements.flatMap(({ curve }) => curve.samples);
  if (samples.length === 0) return undefined;
  const length = Math.max(...samples.map(({ seconds }) => seconds), ...measurements.map(({ curve }) => curve.measured));
  const svg = new Svg(WIDTH, TOP + PANELS.length * (HEIGHT + GAP));
  title(svg, result, 'a curve per measurement; the dashed lines are where the first one measured');
  legend(svg, result);
  for (const [index, [name, key]] of PANELS.entries()) {
    const box: Box = { left: LEFT, top: TOP + index * (HEIGHT + GAP), width: WIDTH - LEFT - RIGHT, height: HEIGHT };
    const y = upright(svg, box, Math.max(...samples.map((sample) => sample[key])), name);
    const x = (seconds: number) => box.left + (box.width * seconds) / length;
    const { measuring, measured } = measurements[0]?.curve ?? { measuring: 0, measured: 0 };
    for (const edge of [measuring, measured]) svg.line(x(edge), box.top, x(edge), box.top + box.height, FAINT, true);
    for (const measurement of measurements) {
      const points = measurement.curve.samples.map((sample) => [x(sample.seconds), y(sample[key])] as const);
      svg.curve(points, colorOf(result, measurement), measurements.length > 2 ? 0.6 : 1);
    }
    const step = roundStep(length / 8);
    for (let seconds = 0; seconds <= length; seconds += step) {
      svg.text(x(seconds), box.top + box.height + 18, `${tick(seconds)} s`, {
        anchor: 'middle',
        size: 11,
        color: FAINT,
      });
    }
  }
  return svg.toString();
}

function colorOf({ columns }: Result, { server }: Measurement): string {
  return COLORS[columns.findIndex((column) => column.server === server) % COLORS.length] ?? INK;
}

const WIDTH = 860;
const HEIGHT = 200;
const GAP = 60;
const TOP = 110;
const LEFT = 64;
const RIGHT = 24;
