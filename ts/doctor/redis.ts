/** Redis: connects, logs in and asks for a PONG, as the configuration says (RESP over TCP or TLS). */

import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Config } from '../config/schema.ts';
import { type Finding, Findings } from './finding.ts';

type RedisConfig = Config['redis'];

export async function checkRedis({ redis }: Config): Promise<Finding[]> {
  const findings = new Findings('redis');
  const servers = serversOf(redis);
  if (servers.length === 0) findings.skip('not configured: one node needs none');
  await Promise.all(servers.map((server) => checkServer(server, redis, findings)));
  return findings.list;
}

interface Server {
  key: string;
  address: string;
  sentinel: boolean;
}

function serversOf({ address, sentinel_addresses, cluster_addresses }: RedisConfig): Server[] {
  const sentinels = sentinel_addresses.map((entry) => ({
    key: 'redis.sentinel_addresses',
    address: entry,
    sentinel: true,
  }));
  const nodes = cluster_addresses.map((entry) => ({ key: 'redis.cluster_addresses', address: entry, sentinel: false }));
  const others = [...sentinels, ...nodes];
  // Like livekit-server: a single address counts only where there is neither of the others.
  return others.length > 0 || address === '' ? others : [{ key: 'redis.address', address, sentinel: false }];
}

async function checkServer({ key, address, sentinel }: Server, redis: RedisConfig, findings: Findings): Promise<void> {
  const name = `Redis at ${address}`;
  let socket: Socket | undefined;
  try {
    socket = await open(address, redis);
    const reader = new Replies(socket);
    for (const command of commands(redis, sentinel)) {
      const reply = await reader.ask(command);
      if (reply.startsWith('-'))
        return findings.fail(`${name} refuses ${command[0]}: ${reply.slice(1)}`, fixFor(reply));
    }
    findings.ok(`${name} answers`);
  } catch (error) {
    const text = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    findings.fail(`${name} (${key}) can't be used: ${text}`, connectFix(text, key, address));
  } finally {
    socket?.destroy();
  }
}

function commands({ username, password, sentinel_username, sentinel_password, db }: RedisConfig, sentinel: boolean) {
  const user = sentinel ? sentinel_username : username;
  const secret = sentinel ? sentinel_password : password;
  return [
    ...(secret === '' ? [] : [['AUTH', ...(user === '' ? [] : [user]), secret]]),
    ...(sentinel || db === 0 ? [] : [['SELECT', String(db)]]),
    ['PING'],
  ];
}

function open(address: string, { tls, dial_timeout }: RedisConfig): Promise<Socket> {
  const [, host = address, port = '6379'] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(address) ?? [];
  const patience = dial_timeout > 0 ? dial_timeout : TIMEOUT_MS;
  const to = { host, port: Number(port) };
  return new Promise((resolve, reject) => {
    const socket = tls.enabled ? connectTls({ ...to, ...tlsOptions(tls, host) }) : connectTcp(to);
    socket.setTimeout(patience, () => socket.destroy(new Error(`no answer within ${patience / 1000} s`)));
    socket.on('error', reject);
    socket.on(tls.enabled ? 'secureConnect' : 'connect', () => resolve(socket));
  });
}

function tlsOptions(tls: RedisConfig['tls'], host: string): ConnectionOptions {
  const read = (path: string) => readFileSync(path);
  return {
    servername: tls.server_name === '' ? host : tls.server_name,
    rejectUnauthorized: !tls.insecure,
    ...(tls.ca_cert_file === '' ? {} : { ca: read(tls.ca_cert_file) }),
    ...(tls.client_cert_file === '' ? {} : { cert: read(tls.client_cert_file), key: read(tls.client_key_file) }),
  };
}

/** One reply after the other; all that is asked here is answered by a single line. */
class Replies {
  readonly #socket: Socket;
  #text = '';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  ask(command: readonly string[]): Promise<string> {
    const words = command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#socket.off('data', onData);
        this.#socket.off('error', reject);
        this.#socket.off('close', onClose);
      };
      const onClose = () => reject(new Error('it closed the connection: is TLS wanted, or not?'));
      const onData = (bytes: Buffer) => {
        this.#text += bytes.toString('latin1');
        const end = this.#text.indexOf('\r\n');
        if (end === -1) return;
        const reply = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        done();
        if (/^[+-]/.test(reply)) resolve(reply);
        else reject(new Error('what answers does not speak the protocol of Redis'));
      };
      this.#socket.on('data', onData);
      this.#socket.on('error', reject);
      this.#socket.on('close', onClose);
      this.#socket.write(`*${command.length}\r\n${words.join('')}`);
    });
  }
}

function fixFor(reply: string): string {
  if (/NOAUTH|WRONGPASS|AUTH/i.test(reply)) return 'set redis.username and redis.password to what the server has';
  if (/DB index/i.test(reply)) return 'set redis.db to a database that the server has';
  return 'look into the log of Redis';
}

function connectFix(reason: string, key: string, address: string): string {
  if (/TLS|SSL|CERT|certificate|ALTNAME|EPROTO/i.test(reason)) {
    return 'set redis.tls (enabled, server_name, ca_cert_file) to what the server has';
  }
  return `start Redis at ${address} and let this machine reach it, or correct ${key}`;
}

const TIMEOUT_MS = 5000;
