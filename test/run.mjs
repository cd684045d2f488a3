/**
 * The families of checks: `node test/run.mjs all|unit|rust|instructions|e2e|spread|network|cluster|check`. Stops at the
 * first family that fails, with its exit code; the test runners' own closing lines stay on the screen.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildAddon, installPackages, run } from '../native/build.mjs';
import { installAgents } from './agents/install.mjs';
import { installTools } from './tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

function files(folder, suffix) {
  return readdirSync(`${root}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
    .sort();
}

/** A file that takes longer hangs: it fails by name, and the others still run. The slowest needs about 3 minutes. */
const FILE_LIMIT_MS = 10 * 60_000;

function nodeTests(paths, concurrency, env = {}) {
  // What a test that failed half-way left open must not hold its file up.
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${FILE_LIMIT_MS}`, '--test-force-exit'];
  const options = ['--import', 'tsx', '--test', '--test-reporter=spec', ...limits];
  run(process.execPath, [...options, ...paths], { env: { ...process.env, ...env } });
}

/** One file at a time: each drives clients that would take the cores from the others, and some measure gaps in media. */
function endToEndTests(paths, env = {}) {
  nodeTests(paths, 1, env);
}

async function prepareEndToEnd() {
  installTools();
  buildAddon('dev');
  const { buildDemo } = await import('../ts/demo/build.mjs');
  await buildDemo(`${root}dist/demo`);
}

const families = {
  format() {
    run('npx', ['--no-install', 'biome', 'check', '--error-on-warnings', '.']);
    run('cargo', ['fmt', '--all', '--check']);
  },
  types() {
    run('npx', ['--no-install', 'tsc', '-p', '.']);
    run('npx', ['--no-install', 'tsc', '-p', 'ts/demo']);
    run('npx', ['--no-install', 'tsc', '-p', 'test']);
  },
  clippy() {
    run('cargo', ['clippy', '--locked', '--workspace', '--all-targets', '--', '-D', 'warnings']);
  },
  rust() {
    run('cargo', ['test', '--locked', '--workspace']);
  },
  unit() {
    installTools(['redis-server']);
    buildAddon('dev');
    nodeTests([...files('ts', '.test.ts'), ...files('bench', '.test.ts')], 2);
  },
  async e2e() {
    await prepareEndToEnd();
    endToEndTests(files('test/e2e', '.test.ts'));
  },
  /** The same with every room spread over three workers, so that all media crosses links; not what is without media. */
  async spread() {
    await prepareEndToEnd();
    const withoutMedia = /\/(addresses|api|demo|doctor|half-open|metadata|paths|server-sdk|signal|tls)\.test\.ts$/;
    const paths = files('test/e2e', '.test.ts').filter((path) => !withoutMedia.test(path));
    endToEndTests(paths, { E2E_WORKERS: '3', E2E_PLACEMENT: 'spread' });
  },
  /** Networks that clients meet, each laid in namespaces of its own; skips itself, saying so, where that takes more rights. */
  async network() {
    await prepareEndToEnd();
    endToEndTests(files('test/network', '.test.ts'));
  },
  /** Fleets on a Redis of their own, and what goes wrong with them. */
  async cluster() {
    await prepareEndToEnd();
    installAgents();
    endToEndTests(files('test/cluster', '.test.ts'));
  },
  /** Instructions and allocations per packet, against what they may be. */
  instructions() {
    run(process.execPath, ['bench/instructions/run.mjs']);
  },
  build() {
    run('npm', ['run', 'build']);
    run(process.execPath, ['dist/main.js', '--version']);
  },
};

const plans = {
  all: ['rust', 'instructions', 'unit', 'e2e', 'spread', 'network', 'cluster'],
  check: ['format', 'types', 'clippy', 'rust', 'instructions', 'unit', 'e2e', 'spread', 'network', 'cluster', 'build'],
};

installPackages();
const asked = process.argv[2] ?? 'all';
for (const name of plans[asked] ?? [asked]) {
  if (families[name] === undefined) throw new Error(`unknown family ${name}: ${Object.keys(families).join(', ')}`);
  const started = Date.now();
  console.log(`\n── ${name}`);
  await families[name]();
  console.log(`── ${name}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
