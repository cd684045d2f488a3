/**
 * `node bench/instructions/run.mjs [case…] [--hot N] [--against FOLDER] [--release] [--update] [--json]`: counts the
 * instructions and allocations of each case and compares them with `budgets.json`. See `README.md`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../../native/build.mjs';
import { installTools } from '../../test/tools.mjs';
import { isCrypto, readProfile } from './profile.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const budgetsPath = fileURLToPath(new URL('budgets.json', import.meta.url));
const profiles = `${root}target/instructions`;

/** What may be above its budget; below this share of it the budget is to be lowered. */
const TOLERANCE = 1.03;
const SLACK = 0.9;
/** Another compiler makes other code: its counts are held to this instead. */
const TOLERANCE_OTHER_COMPILER = 1.1;
/** Allocations per unit that don't count as more: reports and the like fall into a window, or just out of it. */
const ALLOCATIONS_GRAIN = 0.02;

/** @typedef {{ own: number, crypto: number, locks: number, allocations: number }} Count per unit */

/** Counts the cases; `cases` is empty for all. */
export async function count(cases, release = false) {
  installTools(['valgrind']);
  mkdirSync(profiles, { recursive: true });
  const args = ['build', '--locked', '-p', 'sluice-instructions', ...(release ? ['--release'] : [])];
  run('cargo', args);
  const program = `${root}target/${release ? 'release' : 'debug'}/sluice-instructions`;
  const waiting = cases.length === 0 ? Object.keys(readBudgets().cases) : [...cases];
  const results = new Map(waiting.map((name) => [name, undefined]));
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      results.set(name, await countCase(program, name));
    }
  };
  await Promise.all(cpus().map(work));
  return results;
}

async function countCase(program, name) {
  const profile = `${profiles}/${name}.out`;
  const line = await output('valgrind', [
    '--tool=callgrind',
    '--quiet',
    '--collect-atstart=no',
    '--toggle-collect=*counted::*_counted*',
    `--callgrind-out-file=${profile}`,
    program,
    name,
  ]);
  const said = JSON.parse(line);
  const costs = readProfile(profile);
  const sum = (chosen) => chosen.reduce((total, { instructions }) => total + instructions, 0) / said.units;
  return {
    unit: said.unit,
    units: said.units,
    own: Math.round(sum(costs.filter((cost) => !isCrypto(cost)))),
    crypto: Math.round(sum(costs.filter(isCrypto))),
    locks: Math.round(costs.reduce((total, { locks }) => total + locks, 0) / said.units),
    allocations: Number((said.allocations / said.units).toFixed(3)),
    allocatedBytes: Math.round(said.allocatedBytes / said.units),
    profile,
    costs,
  };
}

function output(command, args) {
  // What the user has set for the allocator or the loader would change what is counted.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH } });
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) child[stream].on('data', (chunk) => (texts[stream] += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(texts.stdout);
      else reject(new Error(`${[command, ...args].join(' ')} ended with ${code}: ${texts.stderr.slice(-2_000)}`));
    });
  });
}

function readBudgets() {
  return JSON.parse(readFileSync(budgetsPath, 'utf8'));
}

function compiler() {
  return execFileSync('rustc', ['--version'], { encoding: 'utf8' }).split(' ')[1];
}

/** Why counts are not comparable on this machine, or nothing. valgrind shows programs one of few processors that it models. */
function machineDiffers() {
  if (process.arch !== 'x64') return `budgets are for x86-64, this is ${process.arch}`;
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  return flags.includes(' avx2 ') ? undefined : 'budgets are for processors with AVX2';
}

/** What is above its budget, and what is far below. */
function judge(results, budgets) {
  const tolerance = budgets.rustc === compiler() ? TOLERANCE : TOLERANCE_OTHER_COMPILER;
  const above = [];
  const below = [];
  for (const [name, counted] of results) {
    const budget = budgets.cases[name] ?? { own: 0, crypto: 0, locks: 0, allocations: 0 };
    for (const what of ['own', 'crypto', 'locks', 'allocations']) {
      const [found, allowed] = [counted[what], budget[what]];
      const grain = what === 'allocations' ? ALLOCATIONS_GRAIN : 1;
      const line = `${name}: ${found} ${what} per ${counted.unit}, budget ${allowed}`;
      if (found > allowed * tolerance + grain) above.push(line);
      else if (found < allowed * SLACK - grain) below.push(line);
    }
  }
  return { above, below };
}

function table(results, budgets) {
  const change = (found, allowed) => (allowed > 0 ? `${(100 * (found / allowed - 1)).toFixed(1)} %` : '');
  const rows = [...results].map(([name, counted]) => {
    const budget = budgets.cases[name] ?? {};
    const columns = [name, counted.own, change(counted.own, budget.own), counted.crypto];
    columns.push(change(counted.crypto, budget.crypto), counted.locks, counted.allocations, counted.allocatedBytes);
    return [...columns, `per ${counted.unit} (${counted.units})`];
  });
  const head = ['case', 'own', 'vs budget', 'aws-lc', 'vs budget', 'locks', 'allocations', 'bytes', ''];
  const widths = [14, 9, 10, 9, 10, 7, 12, 9];
  const pad = (cell, at) => (at === 0 ? String(cell).padEnd(widths[0]) : String(cell).padStart(widths[at] ?? 0));
  return [head, ...rows]
    .map((row) => row.map((cell, at) => (at === 8 ? `  ${cell}` : pad(cell, at))).join(''))
    .join('\n');
}

function hottest(name, { costs, units, profile }, many) {
  const total = costs.reduce((sum, { instructions }) => sum + instructions, 0);
  const lines = costs.slice(0, many).map((cost) => {
    const each = (cost.instructions / units).toFixed(1).padStart(9);
    const share = `${((100 * cost.instructions) / total).toFixed(1)} %`.padStart(8);
    const file = cost.file === '???' ? '' : `  ${basename(cost.file)}`;
    return `${each}${share}  ${cost.name}${file}`;
  });
  return [`\n${name}: ${(total / units).toFixed(0)} instructions each; callgrind_annotate ${profile}`, ...lines].join(
    '\n',
  );
}

/** What changed most since a run whose profiles lie in `folder`. */
function changed(name, { costs, units }, folder, many) {
  const sums = (list) => {
    const found = new Map();
    for (const cost of list) {
      // Legacy names end in a hash that changes with every build.
      const key = cost.name.replace(/::h[0-9a-f]{16}$/, '');
      found.set(key, (found.get(key) ?? 0) + cost.instructions / units);
    }
    return found;
  };
  const [now, then] = [sums(costs), sums(readProfile(`${folder}/${name}.out`))];
  const changes = [...new Set([...now.keys(), ...then.keys()])]
    .map((key) => ({ key, by: (now.get(key) ?? 0) - (then.get(key) ?? 0) }))
    .sort((a, b) => Math.abs(b.by) - Math.abs(a.by))
    .slice(0, many);
  const lines = changes.map(({ key, by }) => {
    const each = `${by > 0 ? '+' : ''}${by.toFixed(1)}`;
    return `${each.padStart(9)}  ${key}`;
  });
  return [`\n${name}: instructions each, against ${folder}`, ...lines].join('\n');
}

/** Takes the counts as budgets, allocations rounded up. */
function update(results, budgets) {
  for (const [name, { unit, own, crypto, locks, allocations }] of results) {
    budgets.cases[name] = { unit, own, crypto, locks, allocations };
  }
  budgets.rustc = compiler();
  writeFileSync(budgetsPath, `${JSON.stringify(budgets, undefined, 2)}\n`);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      hot: { type: 'string' },
      against: { type: 'string' },
      release: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (process.platform !== 'linux') return console.log('not counted: valgrind is of Linux');
  const budgets = readBudgets();
  const results = await count(positionals, values.release);
  if (values.json) {
    const plain = [...results].map(([name, { costs: _, ...counted }]) => [name, counted]);
    console.log(JSON.stringify(Object.fromEntries(plain)));
  } else {
    console.log(`instructions in the ${values.release ? 'release' : 'dev'} profile`);
    console.log(table(results, values.release ? { cases: {} } : budgets));
  }
  for (const [name, counted] of results) {
    if (values.against !== undefined) console.log(changed(name, counted, values.against, Number(values.hot ?? 20)));
    else if (values.hot !== undefined) console.log(hottest(name, counted, Number(values.hot)));
  }
  if (values.release) return;
  if (values.update) return update(results, budgets);
  const differs = machineDiffers();
  if (differs !== undefined) {
    console.log(`not compared: ${differs}`);
    return;
  }
  const { above, below } = judge(results, budgets);
  for (const line of below) console.log(`lower the budget (--update): ${line}`);
  for (const line of above) console.error(`over budget: ${line}`);
  if (above.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
