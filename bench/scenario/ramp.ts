/** The same scenario with more and more of something, up to the knee: the first step that breaks an objective. */

import { availableParallelism } from 'node:os';
import { measure } from '../measure/measure.ts';
import type { Measurement } from '../measure/measurement.ts';
import type { FigureKey } from '../report/figures.ts';
import { FIGURES } from '../report/figures.ts';
import type { ProgressLine } from '../report/progress.ts';
import { refusals } from '../servers/server.ts';
import type { Setup } from '../setup.ts';
import { loadScenario, ScenarioError } from './load.ts';

export interface Step {
  /** Of what is varied. */
  value: string;
  measurement: Measurement;
  /** Objectives that do not hold; empty where all do. */
  broken: string[];
}

export interface Ramp {
  scenario: string;
  /** What is varied, as in `groups.viewers.count`. */
  key: string;
  server: string;
  version: string;
  steps: Step[];
  /** Why there are no further steps. */
  ended: string;
}

/** `vary` is written as `groups.viewers.count=25,50,100`. */
export function parseVariation(vary: string): { key: string; values: string[] } {
  const [, key, list] = /^([\w.-]+)=(.+)$/.exec(vary) ?? [];
  const values = (list ?? '').split(',').filter(Boolean);
  if (key === undefined || values.length === 0) {
    throw new ScenarioError(`--vary ${vary}: expected key=value,value, as in groups.viewers.count=25,50,100`);
  }
  return { key, values };
}

/** Goes on until the values end, an objective breaks, the load is the bottleneck, or a measurement fails. */
export async function runRamp(
  name: string,
  vary: string,
  overrides: readonly string[],
  setup: Setup,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<Ramp[]> {
  const { key, values } = parseVariation(vary);
  const refused = refusals(setup.servers, loadScenario(name, overrides));
  if (refused.length > 0) throw new ScenarioError(refused.join('\n'));
  const ramps: Ramp[] = [];
  const bench = {
    ...setup,
    signal,
    onProgress: (step: Parameters<ProgressLine['handle']>[0]) => progress.handle(step),
  };
  for (const server of setup.servers) {
    const ramp: Ramp = {
      scenario: name,
      key,
      server: server.name,
      version: server.version,
      steps: [],
      ended: 'no further step',
    };
    ramps.push(ramp);
    for (const value of values) {
      progress.begin(`[${name} ${key}=${value}] ${server.name}`);
      try {
        const measurement = await measure(server, loadScenario(name, [...overrides, `${key}=${value}`]), bench);
        const broken = brokenBy(measurement);
        ramp.steps.push({ value, measurement, broken });
        const { saturated, reason } = measurement.load.load;
        progress.end(broken.join(', ') || 'all objectives hold');
        if (saturated) ramp.ended = `the load was the bottleneck${reason ? `: ${reason}` : ''}`;
        else if (broken.length > 0) ramp.ended = `knee at ${key}=${value}: ${broken.join(', ')}`;
        else continue;
      } catch (error) {
        signal.throwIfAborted();
        progress.end('failed');
        ramp.ended = `failed at ${key}=${value}: ${(error as Error).message}`;
      }
      break;
    }
  }
  return ramps;
}

/** In words. A server of one busy thread is full when that is, whatever the other cores do. */
export function brokenBy(measurement: Measurement, cores = availableParallelism()): string[] {
  return OBJECTIVES.flatMap(({ key, name, most, unit }) => {
    const value = FIGURES[key].of(measurement);
    const limit = key === 'cpuCores' ? (most * cores) / 100 : most;
    if (value === null || value <= limit) return [];
    const told = key === 'cpuCores' ? (value * 100) / cores : value;
    return [`${name} ${told.toFixed(told < 10 ? 1 : 0)} ${unit} > ${most} ${unit}`];
  });
}

interface Objective {
  key: FigureKey;
  name: string;
  most: number;
  unit: string;
}

/** What users notice, and how full a server may be before it shows. */
const OBJECTIVES: readonly Objective[] = [
  { key: 'lossPercent', name: 'loss', most: 0.5, unit: '%' },
  { key: 'delayP99', name: 'p99 delay', most: 50, unit: 'ms' },
  { key: 'dataDelayP99', name: 'p99 delay of data', most: 50, unit: 'ms' },
  { key: 'joinP99', name: 'join p99', most: 5_000, unit: 'ms' },
  { key: 'cpuCores', name: 'CPU of all cores', most: 80, unit: '%' },
  { key: 'busiestThread', name: 'busiest thread', most: 80, unit: '%' },
];
