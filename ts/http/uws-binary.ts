/**
 * Loads the uWebSockets.js addon for this platform and Node release, mended where glibc is older than the one it was
 * linked against. The file must have the hash we know for it: an upgrade of the package has to be looked at first.
 */

import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mendGlibc238 } from './elf.ts';
import { MAX_HEADER_BYTES } from './types.ts';

/** The addon's exports, or the reason why this machine has to do without. */
export type LoadedAddon = { readonly addon: object } | { readonly reason: string };

export function loadUwsAddon(): LoadedAddon {
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const expected = KNOWN_HASHES[name];
  if (expected === undefined)
    return { reason: `no uWebSockets.js binary for ${process.platform} ${process.arch} and Node ${process.version}` };
  try {
    const file = locate(name);
    const content = readFileSync(file);
    if (sha256(content) !== expected) return { reason: `${name} does not have the expected hash` };
    // Read by the addon when it is loaded; its default of 4 kB is too little for a token in a URL.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEADER_BYTES);
    const addon = open(needsMend() ? cached(mendGlibc238(content)) : file);
    skipCleanupAtExit();
    return { addon };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Node runs the addon's cleanup only where the event loop runs dry, not on `process.exit()`, and that cleanup crashes now
 * and then: it frees the handlers of closed apps. Nothing of it outlives the process, so we leave by the other way, behind
 * everybody else's `exit` listeners.
 */
function skipCleanupAtExit(): void {
  if (skipsCleanup) return;
  skipsCleanup = true;
  process.once('beforeExit', () => {
    process.once('exit', () => {
      process.exit();
    });
  });
}

let skipsCleanup = false;

/** Beside our own addon in an installed package (`ts/build.mjs` puts it there), else in the development dependency. */
function locate(name: string): string {
  // The same two steps up from `ts/http` and from `dist/http`.
  const shipped = fileURLToPath(new URL(`../../native/${name}`, import.meta.url));
  if (existsSync(shipped)) return shipped;
  return join(dirname(createRequire(import.meta.url).resolve('uWebSockets.js')), name);
}

function open(file: string): object {
  const holder = { exports: {} };
  process.dlopen(holder, file, constants.dlopen.RTLD_LAZY);
  return holder.exports;
}

function needsMend(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const version = report?.header?.glibcVersionRuntime;
  if (version === undefined) return false;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 2 && minor < 38;
}

/** Puts a binary where only we can write, under the name of its content; what lies there is checked before it is used. */
function cached(content: Buffer): string {
  const folder = privateFolder(
    process.env.SLUICE_NATIVE_CACHE ?? join(tmpdir(), `sluice-${process.getuid?.() ?? 'user'}`),
  );
  const hash = sha256(content);
  const file = join(folder, `${hash}.node`);
  try {
    if (sha256(readFileSync(file)) === hash) return file;
  } catch {
    // Not there yet: written below.
  }
  const draft = join(folder, `.${randomUUID()}`);
  writeFileSync(draft, content, { mode: 0o600, flag: 'wx' });
  renameSync(draft, file);
  return file;
}

function privateFolder(path: string): string {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw new Error(`${path} is not a directory of ours`);
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700);
  return path;
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** SHA-256 of the binaries of @btc-vision/uwebsockets.js 20.57.0. */
const KNOWN_HASHES: Readonly<Record<string, string>> = {
  'uws_darwin_arm64_115.node': 'e92644395ac8d37cb078098f843fb1b82e59701832f38fed00a9bdcfb87ba939',
  'uws_darwin_arm64_127.node': '6180345d453e2e113feb2b0d76376493cd6a90056c3483fc22de7b0c340dc231',
  'uws_darwin_arm64_137.node': '2187391c702fa7ad3bf685eff7712c15cf24fa7cf324a131dfcbae3fd0f20a9a',
  'uws_darwin_arm64_141.node': '8555586f69116620ac17540b2a7a2459c5db1cebee5c36fd77157dd352fabf82',
  'uws_darwin_x64_115.node': 'f661b97951ffdf54324e514becda0a2740f723c9fd3c7098e812a0e7714651ed',
  'uws_darwin_x64_127.node': 'fd551673f3ce1f104d7cec3ba8f628d9d04853eff1045c9d95983372ed90bca0',
  'uws_darwin_x64_137.node': '98fd7e9456e2d37d3262b05b053d673830927f91c63c0c2ae73bde8d19eef293',
  'uws_darwin_x64_141.node': 'e64e8a42347b5f9861b0f2bfa0981d8e48914e9b26ec73e133ba454d9a580777',
  'uws_linux_arm64_115.node': '6bdbc8ff976b4371af1906175e9025804bacc38a414969f4f02314e6b99f206c',
  'uws_linux_arm64_127.node': '82b79bd18d1e3563de336156005bd01b7f39fc387b65173d69a29da4ee79f895',
  'uws_linux_arm64_137.node': '88618b30ddf6b2b62310db89f40a701616676352aac5e0f6184dd8ef876199ce',
  'uws_linux_arm64_141.node': '81d0186dd1549ed6a7f47e68e323573fc27d69d2920527654ce2dd993af2b0ec',
  'uws_linux_x64_115.node': '5b126ee00bf754b02e97e4c27090365a8562c5820c93f93918ac2212d4503e91',
  'uws_linux_x64_127.node': '4b55b1f2cb7a7913febbb65a89496412b96af77e838552980092ba6b33723aac',
  'uws_linux_x64_137.node': '98128405dba2fb608448e921a979530f70c946a2cc9889c15f2fa70c2d00ab05',
  'uws_linux_x64_141.node': '813d788b347c6fd76b779d8932311ec05a044e612b4b83af220f16e6ea789683',
  'uws_win32_x64_115.node': '1ffbe9b09607fd9c90e98661383de2bd844b06d4f25ab502f3361d8d8fac559f',
  'uws_win32_x64_127.node': 'b4fa85dd015d6d32655f75e9d5b2480124b7649d9265a2b84d8dafe37f88f838',
  'uws_win32_x64_137.node': '84ae72d2149e6ffa2a44063344073599027b1ce8bffaab3957903f966b0c6bb9',
  'uws_win32_x64_141.node': '59346e454b89d2d0ed1609b7581683bb9fde7edaf3b3f04fe4f6fe03e34c8afd',
};
