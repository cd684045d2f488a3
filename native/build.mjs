/**
 * Makes the addon: `node native/build.mjs dev|release`. Node alone runs this, before anything is installed, so that
 * one command is enough on a fresh machine. The cargo profile decides: `dev` serves development and every test.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, renameSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error !== undefined) throw new Error(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Installs what package-lock.json names, where that has not happened since it changed. */
export function installPackages() {
  const stamp = `${root}node_modules/.package-lock.json`;
  const lock = `${root}package-lock.json`;
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  run('npm', ['ci', '--no-audit', '--no-fund']);
}

/** `linux-x64` and the like: what the loader in `ts/media` looks for. */
export const platform = `${process.platform}-${process.arch}`;

export function buildAddon(profile) {
  const args = ['build', '--locked', '-p', 'sluice-native', ...(profile === 'release' ? ['--release'] : [])];
  run('cargo', args);
  const built = `${root}target/${profile === 'release' ? 'release' : 'debug'}/${libraryName()}`;
  const target = `${root}native/sluice.${platform}.node`;
  // Renamed into place: a running server keeps the file that it has mapped.
  copyFileSync(built, `${target}.new`);
  renameSync(`${target}.new`, target);
}

function libraryName() {
  if (process.platform === 'darwin') return 'libsluice_native.dylib';
  return process.platform === 'win32' ? 'sluice_native.dll' : 'libsluice_native.so';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const profile = process.argv[2] === 'release' ? 'release' : 'dev';
  installPackages();
  buildAddon(profile);
}
