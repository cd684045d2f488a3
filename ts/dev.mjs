/** `npm run dev`: the server in development mode straight from the sources, with the demo page. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildDemo } from './demo/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await buildDemo(`${root}dist/demo`);
const server = spawn(process.execPath, ['--import', 'tsx', 'ts/main.ts', '--dev', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));
server.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 0));
