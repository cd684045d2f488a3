/** Makes `dist/`: what a user's install holds beside the addon. */
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../native/build.mjs';
import { buildDemo } from './demo/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

rmSync(`${root}dist`, { recursive: true, force: true });
run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json']);
await buildDemo(`${root}dist/demo`);
chmodSync(`${root}dist/main.js`, 0o755);
