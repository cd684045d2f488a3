/** The command line of the benchmarks: `npm run bench -- <scenario> …`. The only file of them that ends the process. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { describeFloor, measureFloor } from './measure/floor.ts';
import { describeMachine, machine } from './measure/machine.ts';
import { loadProgram } from './measure/program.ts';
import { nightly } from './nightly.ts';
import { needsServers, type PlanOptions, planFrom } from './plan/command.ts';
import { writeCsv, writeJson, writePlots } from './report/files.ts';
import { ProgressLine } from './report/progress.ts';
import { rampTable } from './report/ramp-table.ts';
import { header, notes, table, threadLines } from './report/table.ts';
import { loadScenario, ScenarioError, scenarioNames } from './scenario/load.ts';
import { parseVariation, runRamp } from './scenario/ramp.ts';
import { runScenario } from './scenario/run.ts';
import { networkOf, setUp } from './setup.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Options {
  compare: string[];
  pairs?: number;
  seconds?: number;
  set: string[];
  mux?: boolean;
  bwe?: boolean;
  floor?: boolean;
  loopback?: boolean;
  json?: string;
  csv?: string;
  plots?: string;
}

const print = (line: string) => process.stdout.write(`${line}\n`);
const say = (line: string) => process.stderr.write(`${line}\n`);

/** Runs what has to be cleaned up after, also on Ctrl-C and when it throws. */
async function guarded<T extends { close(): void }>(
  make: () => T | Promise<T>,
  run: (made: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error(`stopped by ${signal}`));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  const made = await make();
  // Also where the second signal, or an exception that nobody expected, ends the process.
  process.once('exit', () => made.close());
  try {
    controller.signal.throwIfAborted();
    await run(made, controller.signal);
  } finally {
    made.close();
  }
}

async function bench(name: string, options: Options): Promise<void> {
  const scenario = loadScenario(name, overrides(options));
  await guarded(setUpFor(options), async (setup, signal) => {
    const result = await runScenario(scenario, setup, options.floor === true, new ProgressLine(), signal);
    print([`\n${scenario.name}: ${scenario.description}`, ...header(result), '', ...table(result), ''].join('\n'));
    for (const line of [...threadLines(result), ...notes(result)]) print(line);
    if (options.json !== undefined) writeJson(options.json, result);
    if (options.csv !== undefined) writeCsv(options.csv, [result]);
    if (options.plots !== undefined) for (const file of writePlots(options.plots, result)) say(`wrote ${file}`);
  });
}

function setUpFor({ compare, loopback }: Pick<Options, 'compare' | 'loopback'>) {
  return () => setUp({ compare, loopback: loopback === true, say });
}

async function ramp(name: string, options: Options & { vary: string }): Promise<void> {
  const { key, values } = parseVariation(options.vary);
  const set = overrides(options);
  // What is wrong with a step is known before the first.
  for (const value of values) loadScenario(name, [...set, `${key}=${value}`]);
  await guarded(setUpFor(options), async (setup, signal) => {
    const about = machine();
    const ramps = await runRamp(name, options.vary, set, setup, new ProgressLine(), signal);
    for (const line of [`\n${name}: ${key}`, ...describeMachine(about)]) print(line);
    for (const one of ramps) print(['', ...rampTable(one)].join('\n'));
    if (options.json !== undefined) writeJson(options.json, { machine: about, ramps });
  });
}

/** Of the machine alone: neither a server nor a scenario. */
async function limit(options: { json?: string; loopback?: boolean }): Promise<void> {
  const make = () => networkOf(options.loopback === true, say);
  await guarded(make, async (network, signal) => {
    const [about, floor] = [machine(), await measureFloor(loadProgram(say), network, signal)];
    for (const line of [...describeMachine(about), `network   ${network.kind}`, '', ...describeFloor(floor)])
      print(line);
    if (options.json !== undefined) writeJson(options.json, { machine: about, floor });
  });
}

/** What the short options stand for goes last, so that it wins. */
function overrides({ set, pairs, seconds, mux, bwe }: Options): string[] {
  const short: [string, unknown][] = [
    ['pairs', pairs],
    ['seconds', seconds],
    ['server.mux', mux],
    ['server.sendSideBwe', bwe],
  ];
  return [...set, ...short.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]))];
}

function collect(value: string, former: string[]): string[] {
  return [...former, value];
}

function number(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0');
  return value;
}

function withOptions(command: Command): Command {
  return command
    .option(
      '--compare <server>',
      'livekit-server=PATH (or LIVEKIT_SERVER), mediasoup=FOLDER (or MEDIASOUP); several times',
      collect,
      [],
    )
    .option('--pairs <n>', 'measurements of each server', number)
    .option('--seconds <n>', 'length of a measurement', number)
    .option('--loopback', 'no network namespaces, even as root');
}

function withChanges(command: Command): Command {
  return command
    .option('--set <key=value>', 'another value in the scenario, as in groups.viewers.count=50', collect, [])
    .option('--mux', 'one UDP port for all media, with every server')
    .option('--bwe', 'send-side bandwidth estimation, with every server');
}

const program = new Command('npm run bench --').showHelpAfterError();

withChanges(withOptions(program.command('run <scenario>', { isDefault: true })))
  .description('measure a scenario (the default command)')
  .option('--floor', 'measure what is possible here first, and tell figures as a share of it')
  .option('--json <file>', 'write everything that was seen')
  .option('--csv <file>', 'write a line per measurement')
  .option('--plots <folder>', 'write plots (SVG)')
  .action(bench);

withChanges(withOptions(program.command('ramp <scenario>')))
  .description('more and more of something, until an objective breaks')
  .requiredOption('--vary <key=values>', 'what grows, as in groups.viewers.count=25,50,100,200')
  .option('--json <file>', 'write everything that was seen')
  .action(ramp);

program
  .command('list')
  .description('the scenarios')
  .action(() => {
    const width = Math.max(...scenarioNames().map((name) => name.length));
    for (const name of scenarioNames()) print(`${name.padEnd(width)}  ${loadScenario(name).description}`);
  });

program
  .command('limit')
  .description('what this machine can do at most: sealing, sending and receiving alone')
  .option('--json <file>', 'write it to a file')
  .option('--loopback', 'no network namespaces, even as root')
  .action(limit);

program
  .command('plan')
  .description('what machines a workload needs, from figures of this one: "40 rooms x 8 people 720p + 500 viewers"')
  .argument('[words...]', 'as `sluice plan` takes them')
  .option('--profile <file>', 'what was measured', `${ROOT}target/bench-results/profile.json`)
  .option('--measure', 'measure again; without a profile it is measured anyway')
  .option('--check', 'compare what is predicted with a ramp of viewers up to the knee')
  .option('--rounds <n>', 'of measurements', number, 3)
  .option('--seconds <n>', 'length of a measurement', number)
  .option('--loopback', 'no network namespaces, even as root')
  .option('--cores <number>', 'of each machine; what is not given is as in the profile')
  .option('--memory <GiB>', 'of each machine')
  .option('--gbit <number>', 'of its network card')
  .option('--headroom <percent>', 'that stays free on each machine')
  .option('--json', 'print the plan as one JSON object')
  .action(async (words: string[], options: PlanOptions & { loopback?: boolean }) => {
    const text = words.join(' ');
    if (!needsServers(options)) return planFrom(text, options, undefined, print, AbortSignal.timeout(60_000));
    const make = setUpFor({ compare: [], ...(options.loopback === true ? { loopback: true } : {}) });
    return guarded(make, (setup, signal) => planFrom(text, options, setup, print, signal));
  });

withOptions(program.command('nightly'))
  .description('all scenarios, five pairs each, with files into a folder')
  .option('--out <folder>', 'where to', `${ROOT}target/bench-results`)
  .action(async (options: Options & { out: string }) => {
    await guarded(setUpFor(options), (setup, signal) => nightly({ ...options, print, say }, setup, signal));
  });

program
  .command('ci')
  .description('instructions and allocations per packet against their budgets: the same on every machine')
  .allowUnknownOption()
  .argument('[args...]')
  .action((args: string[]) => {
    const run = spawnSync(process.execPath, [`${ROOT}bench/instructions/run.mjs`, ...args], { stdio: 'inherit' });
    process.exitCode = run.status ?? 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  say(error instanceof ScenarioError ? error.message : `bench: ${(error as Error).message}`);
  process.exitCode = 1;
}
