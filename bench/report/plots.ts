/** The plots of a result. */

import { bars } from './plots/bars.ts';
import { delays } from './plots/delays.ts';
import { overTime } from './plots/over-time.ts';
import type { Result } from './result.ts';

export interface Plot {
  /** Last part of the file's name. */
  name: string;
  svg: string;
}

/** Those that there is something to show in. */
export function plots(result: Result): Plot[] {
  const made: [string, string | undefined][] = [
    ['figures', bars(result)],
    ['delay', delays(result)],
    ['time', overTime(result)],
  ];
  return made.flatMap(([name, svg]) => (svg === undefined ? [] : [{ name, svg }]));
}
