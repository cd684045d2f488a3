import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../../native/build.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Installs the packages of agents where they are missing or older than their lock. */
export function installAgents() {
  const stamp = `${folder}node_modules/.package-lock.json`;
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(`${folder}package-lock.json`).mtimeMs) return;
  run('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund']);
}
