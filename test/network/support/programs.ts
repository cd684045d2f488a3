/** Other servers that stand in a namespace. They end with the lab. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Certificate } from './certificates.ts';
import type { Namespace } from './lab.ts';

const BALANCER = fileURLToPath(new URL('../balancer.ts', import.meta.url));

/** Ends TLS at one address and passes what is in it on to another. */
export async function startBalancer(
  namespace: Namespace,
  from: { host: string; port: number },
  to: { host: string; port: number },
  { cert_file, key_file }: Certificate,
): Promise<void> {
  const args = [from.host, String(from.port), to.host, String(to.port), cert_file, key_file];
  await until(/ready/, namespace.spawn(process.execPath, ['--import', 'tsx', BALANCER, ...args]));
}

/** coturn, as a STUN server or as a TURN server, with words of its command line. */
export async function startCoturn(namespace: Namespace, host: string, words: string): Promise<void> {
  const addresses = `--listening-ip=${host} --relay-ip=${host}`;
  const quiet = '--no-cli --no-tls --no-dtls --log-file=stdout --simple-log --pidfile=/dev/null';
  const args = ['-n', ...`${addresses} ${quiet} ${words}`.split(' ')];
  await until(/DB connection success/, namespace.spawn('turnserver', args));
}

/** Sends every datagram back to where it came from. */
export async function startEcho(namespace: Namespace, host: string, port: number): Promise<void> {
  const script = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.on('message', (message, { port, address }) => socket.send(message, port, address));
    socket.bind(${port}, '${host}', () => console.log('ready'));`;
  await until(/ready/, namespace.spawn(process.execPath, ['--eval', script]));
}

/** Resolves once the program printed this. */
async function until(sign: RegExp, program: ChildProcess): Promise<void> {
  let text = '';
  const found = new Promise<void>((resolve) => {
    const read = (chunk: Buffer) => {
      text += chunk.toString();
      if (sign.test(text)) resolve();
    };
    program.stdout?.on('data', read);
    program.stderr?.on('data', read);
  });
  const ended = once(program, 'exit').then(() => {
    throw new Error(`${program.spawnargs.join(' ')} ended: ${text}`);
  });
  await Promise.race([found, ended]);
  ended.catch(() => {});
}
