/** The full set: every scenario, some in a second way, with files of everything. */

import { join } from 'node:path';
import { writeCsv, writeJson, writePlots } from './report/files.ts';
import { ProgressLine } from './report/progress.ts';
import type { Result } from './report/result.ts';
import { header, notes, table } from './report/table.ts';
import { loadScenario, scenarioNames } from './scenario/load.ts';
import { runScenario } from './scenario/run.ts';
import { refusals } from './servers/server.ts';
import type { Setup } from './setup.ts';

export interface NightlyOptions {
  out: string;
  pairs?: number;
  seconds?: number;
  print(line: string): void;
  say(line: string): void;
}

/**
 * A scenario that fails is told and the others run; rejects at the end. Servers that can't run one are left out of it.
 * Files are written after each.
 */
export async function nightly(options: NightlyOptions, setup: Setup, signal: AbortSignal): Promise<void> {
  const { out, print, say, pairs = PAIRS, seconds } = options;
  const folder = join(out, new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
  const results: Result[] = [];
  const failed: string[] = [];
  for (const { name, of, set } of [...scenarioNames().map((of) => ({ name: of, of, set: [] })), ...VARIANTS]) {
    const scenario = loadScenario(of, [...set, ...(seconds === undefined ? [] : [`seconds=${seconds}`])]);
    scenario.name = name;
    // Those that take minutes each say one; they stay with what they say.
    scenario.pairs = scenario.pairs === 1 ? 1 : pairs;
    for (const refused of refusals(setup.servers, scenario)) print(refused);
    const able = setup.servers.filter((server) => refusals([server], scenario).length === 0);
    try {
      const result = await runScenario(scenario, { ...setup, servers: able }, true, new ProgressLine(), signal);
      results.push(result);
      const head = results.length === 1 ? [...header(result), ''] : [];
      print([...head, `${name}: ${scenario.description}`, ...table(result), ...notes(result), ''].join('\n'));
      writePlots(folder, result);
      writeJson(join(folder, `${name}.json`), result);
      writeCsv(join(folder, 'all.csv'), results);
    } catch (error) {
      signal.throwIfAborted();
      failed.push(name);
      print(`${name} failed: ${(error as Error).message}\n`);
    }
  }
  say(`wrote ${folder}`);
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`);
}

const PAIRS = 5;
/** What is a row of its own. */
const VARIANTS: readonly { name: string; of: string; set: readonly string[] }[] = [
  { name: 'livestream-bwe', of: 'livestream', set: ['server.sendSideBwe=true'] },
  { name: 'livestream-mux', of: 'livestream', set: ['server.mux=true'] },
  { name: 'data-reliable', of: 'data-heavy', set: ['groups.senders.publish.data.reliable=true'] },
  { name: 'joins-one-by-one', of: 'join-storm', set: ['join.atOnce=1'] },
];
