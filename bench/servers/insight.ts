/** Looking into a Sluice under load, and disturbing it. */

import type { ChildProcess } from 'node:child_process';
import type { Network } from './network.ts';

/** Prints what a URL says; run at the server's end of the network. */
const FETCH = 'const got = await fetch(process.argv[1]); process.stdout.write(await got.text())';

/** Reads the metrics of a server that listens at its end of the network. */
export async function readMetrics(network: Network, port: number): Promise<string> {
  const url = `http://${network.host}:${port}/metrics`;
  const child = network.spawn('server', process.execPath, ['--input-type=module', '-e', FETCH, url]);
  let text = '';
  let complaint = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${url} can't be read: ${complaint.trim()}`);
  return text;
}

/** For `NODE_OPTIONS`: SIGUSR2 has the event loop asleep, so that what is measured is no core that was taken away. */
export function blockOnSignal(ms: number): string {
  const script = `process.on('SIGUSR2',()=>Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0,${ms}))`;
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}

export function block(child: ChildProcess): void {
  child.kill('SIGUSR2');
}
