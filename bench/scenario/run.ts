/** Runs a scenario with all servers and puts what was seen together. */

import { floorLoad, floorUs, measureFloor } from '../measure/floor.ts';
import { machine } from '../measure/machine.ts';
import { measure } from '../measure/measure.ts';
import type { Measurement } from '../measure/measurement.ts';
import { measurePairs } from '../measure/pairs.ts';
import { compare } from '../report/compare.ts';
import { figure } from '../report/figures.ts';
import type { ProgressLine } from '../report/progress.ts';
import type { Result } from '../report/result.ts';
import { digits } from '../report/table.ts';
import { refusals } from '../servers/server.ts';
import type { Setup } from '../setup.ts';
import { ScenarioError } from './load.ts';
import type { Scenario } from './schema.ts';

/** Rejects when the signal fires, when a server can't run it, or when no measurement succeeds. The floor comes first, where there is one. */
export async function runScenario(
  scenario: Scenario,
  setup: Setup,
  withFloor: boolean,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<Result> {
  const { network, servers, load } = setup;
  const refused = refusals(servers, scenario);
  if (refused.length > 0) throw new ScenarioError(refused.join('\n'));
  const bench = {
    network,
    load,
    signal,
    onProgress: (step: Parameters<ProgressLine['handle']>[0]) => progress.handle(step),
  };
  const before = machine();
  if (withFloor) progress.begin(`[${scenario.name}] floor`);
  const shape = withFloor ? floorLoad(scenario) : undefined;
  const floor = shape === undefined ? undefined : await measureFloor(load, network, signal, shape);
  const { pairs, failures } = await measurePairs(
    servers,
    scenario,
    async ({ server, pair }) => {
      progress.begin(`[${scenario.name} ${pair + 1}/${scenario.pairs}] ${server.name}`);
      try {
        const measurement = await measure(server, scenario, bench);
        progress.end(summary(measurement, scenario));
        return measurement;
      } catch (error) {
        progress.end(signal.aborted ? 'stopped' : 'failed');
        throw error;
      }
    },
    signal,
  );
  if (pairs.every((pair) => pair.length === 0)) throw new Error(failures.join('\n'));
  const names = servers.map(({ name }) => name);
  return {
    machine: before,
    network: network.kind,
    loadGenerator: setup.loadVersion,
    scenario,
    columns: compare(pairs, names),
    floor: floor ?? null,
    floorUs: floor === undefined || shape === undefined ? null : floorUs(floor, shape),
    failures,
    pairs,
  };
}

/** The first figures that there are, in a line. */
function summary(measurement: Measurement, { headline }: Scenario): string {
  const parts = headline.flatMap((key) => {
    const { title, unit, of } = figure(key);
    const value = of(measurement);
    return value === null ? [] : [`${title} ${digits(value)}${unit === '' ? '' : ` ${unit}`}`];
  });
  return parts.slice(0, SUMMARISED).join(', ');
}

const SUMMARISED = 4;
