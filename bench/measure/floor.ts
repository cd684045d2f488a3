/** What the load generator's `floor` measures: the least that each step of forwarding costs on this machine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import type { Scenario } from '../scenario/schema.ts';

const floorSchema = z.record(z.string(), z.unknown());

export type Floor = z.infer<typeof floorSchema>;

export async function measureFloor(
  [program, ...args]: readonly [string, ...string[]],
  signal: AbortSignal,
): Promise<Floor> {
  const child = spawn(program, [...args, 'floor'], { stdio: ['ignore', 'pipe', 'inherit'], signal });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the load generator could not measure the floor (code ${code})`);
  return floorSchema.parse(JSON.parse(text));
}

/** A line per figure, whatever there is. */
export function describeFloor(floor: Floor): string[] {
  const rows = flat(floor, '');
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

/** CPU microseconds that a packet of this scenario costs at least; null where nothing like it was measured. */
export function floorOf(_floor: Floor, _scenario: Scenario): number | null {
  return null;
}

function flat(value: unknown, path: string): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, entry]) => flat(entry, path === '' ? key : `${path}.${key}`));
}
