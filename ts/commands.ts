/** Subcommands that print and end. */

import { randomBytes, randomInt } from 'node:crypto';
import { SignJWT } from 'jose';
import { describeFlags } from './config/flags.ts';
import type { Config } from './config/schema.ts';

type Print = (line: string) => void;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `API Key` and `API Secret`, ready for the config file. */
export function generateKeys(print: Print): void {
  const word = (length: number) => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  print(`API Key:  API${word(12)}`);
  print(`API Secret:  ${base62(randomBytes(32))}`);
}

function base62(bytes: Uint8Array): string {
  let value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let digits = '';
  while (value > 0n) {
    digits = ALPHABET[Number(value % 62n)] + digits;
    value /= 62n;
  }
  return digits;
}

/** What a firewall has to let in. */
export function printPorts(config: Config, print: Print): void {
  const { rtc, turn } = config;
  print('TCP Ports');
  print(`${config.port} - ${config.tls.cert_file === '' ? 'HTTP' : 'HTTPS'} service`);
  if (rtc.tcp_port !== 0) print(`${rtc.tcp_port} - ICE/TCP`);
  if (config.prometheus.port !== 0) print(`${config.prometheus.port} - Prometheus`);
  if (turn.enabled && turn.tls_port !== 0) print(`${turn.tls_port} - TURN/TLS`);
  print('UDP Ports');
  if (rtc.udp_port === undefined) print(`${rtc.port_range_start}-${rtc.port_range_end} - ICE/UDP range`);
  else if (rtc.udp_port.start === rtc.udp_port.end) print(`${rtc.udp_port.start} - ICE/UDP`);
  else print(`${rtc.udp_port.start}-${rtc.udp_port.end} - ICE/UDP`);
  if (turn.enabled && turn.udp_port !== 0) print(`${turn.udp_port} - TURN/UDP`);
}

/** A token for trying things out: 30 days, signed with any of the keys. */
export async function createJoinToken(
  config: Config,
  options: { room?: string; identity?: string; recorder?: boolean },
  print: Print,
): Promise<void> {
  const { room = '', identity = '', recorder = false } = options;
  if (room === '') throw new Error('--room is required');
  if (identity === '') throw new Error('--identity is required');
  const [key, secret] = Object.entries(config.keys)[0] ?? ['', ''];
  const video = recorder
    ? { roomJoin: true, room, canPublish: false, canPublishData: false, hidden: true, recorder: true }
    : { roomJoin: true, room };
  const token = await new SignJWT({ video })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(key)
    .setSubject(identity)
    .setNotBefore('0s')
    .setExpirationTime('30d')
    .sign(new TextEncoder().encode(secret));
  print(`Token: ${token}`);
}

/** Every flag there is, with its environment variable. */
export function printVerboseHelp(print: Print): void {
  print('Every flag and the environment variable that sets the same:');
  for (const { flag, env, help } of describeFlags()) {
    print(`   ${flag.padEnd(60)} ${help}${env === undefined ? '' : ` [$${env}]`}`);
  }
}
