/** Makes `dist/`: what a user's install holds beside the addon, and puts the one HTTP server binary it needs there too. */
import { chmodSync, copyFileSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../native/build.mjs';
import { buildDemo } from './demo/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

rmSync(`${root}dist`, { recursive: true, force: true });
run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json']);
await buildDemo(`${root}dist/demo`);
chmodSync(`${root}dist/main.js`, 0o755);

// Users never download the package, which holds the binaries of every platform and Node release. Where it has none for
// ours, the server runs on node:http. The server checks the file's hash before it loads it.
const uws = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
const source = `${root}node_modules/uWebSockets.js/${uws}`;
if (existsSync(source)) copyFileSync(source, `${root}native/${uws}`);
