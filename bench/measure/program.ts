/** Where the load generator is, built where it is not. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = `${ROOT}target/release/sluice-load`;

/** `SLUICE_LOAD` names another one: a program with its arguments, separated by spaces. */
export function loadProgram(say: (line: string) => void): readonly [string, ...string[]] {
  const [given, ...args] = (process.env.SLUICE_LOAD ?? '').split(' ').filter(Boolean);
  if (given !== undefined) return [given, ...args];
  if (!existsSync(PROGRAM)) {
    say('The load generator is not built: running cargo build --release -p sluice-load, which takes minutes');
    const words = ['build', '--locked', '--release', '-p', 'sluice-load'];
    const built = spawnSync('cargo', words, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
    if (built.status !== 0) throw new Error('the load generator does not build');
  }
  return [PROGRAM];
}

export function loadVersion([program, ...args]: readonly [string, ...string[]]): string {
  const asked = spawnSync(program, [...args, '--version'], { encoding: 'utf8' });
  return asked.status === 0 ? asked.stdout.trim().replace(/^[\d.]+$/, 'sluice-load $&') : 'unknown';
}
