/**
 * A copy of Sluice as a release ships it: `dist`, and the addon of the last release build. Tests and development put an
 * addon of the dev profile into `native`, and nothing that is built during a run may change what is measured.
 */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = `${ROOT}dist/main.js`;
const ADDON = `${ROOT}target/release/libsluice_native.${process.platform === 'darwin' ? 'dylib' : 'so'}`;

export interface Install {
  /** What to run. */
  main: string;
  /** What makes its figures say less than they seem to. */
  doubts: string[];
  remove(): void;
}

export function isBuilt(): boolean {
  return existsSync(DIST) && existsSync(ADDON);
}

export function install(): Install {
  mkdirSync(`${ROOT}target`, { recursive: true });
  const folder = mkdtempSync(`${ROOT}target/bench-`);
  cpSync(`${ROOT}dist`, `${folder}/dist`, { recursive: true });
  mkdirSync(`${folder}/native`);
  cpSync(ADDON, `${folder}/native/sluice.${process.platform}-${process.arch}.node`);
  for (const file of readdirSync(`${ROOT}native`).filter(
    (name) => name.startsWith('uws_') || name === 'package.json',
  )) {
    cpSync(`${ROOT}native/${file}`, `${folder}/native/${file}`);
  }
  cpSync(`${ROOT}package.json`, `${folder}/package.json`);
  symlinkSync(`${ROOT}node_modules`, `${folder}/node_modules`);
  return {
    main: `${folder}/dist/main.js`,
    doubts: doubts(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function doubts(): string[] {
  const found: string[] = [];
  if (youngest(['ts'], '.ts') > statSync(DIST).mtimeMs)
    found.push('dist is older than the sources in ts: npm run build');
  if (youngest(['crates', 'native'], '.rs') > statSync(ADDON).mtimeMs) {
    found.push('the addon is older than the sources in crates: npm run build');
  }
  return found;
}

/** Time at which the youngest source changed; milliseconds. */
function youngest(folders: readonly string[], suffix: string): number {
  const files = folders.flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' }).map((file) => `${ROOT}${folder}/${file}`),
  );
  const sources = files.filter(
    (file) => file.endsWith(suffix) && !file.includes('.test.') && !file.includes('/tests/'),
  );
  return Math.max(0, ...sources.map((file) => statSync(file).mtimeMs));
}
