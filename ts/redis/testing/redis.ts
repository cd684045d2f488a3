/** Redis for tests: a single server, a master with a replica under three Sentinels, a cluster of three, one with TLS. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { selfSigned } from '../../lib/testing/self-signed.ts';
import { freePort, RedisProcess } from './process.ts';

export { RedisProcess } from './process.ts';

export interface RedisOptions {
  /** Lines of redis.conf. */
  readonly config?: readonly string[];
  readonly port?: number;
  readonly password?: string;
}

/** A single server; `redis` is the section of the configuration that leads to it. */
export interface TestRedis {
  readonly port: number;
  readonly address: string;
  readonly url: string;
  readonly process: RedisProcess;
  readonly redis: { readonly address: string; readonly password?: string };
  /** Asks the server something, over a connection of the test's own. */
  command(...words: (string | number)[]): Promise<unknown>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts an empty one on the same port. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  /** Makes it a replica of nobody, which refuses writes with READONLY; or a master again. */
  setReadOnly(readOnly: boolean): Promise<void>;
  /** Refuses writes that need memory with OOM; or no longer. */
  setOutOfMemory(outOfMemory: boolean): Promise<void>;
  /** Who has logged in stays; with `disconnect`, everybody has to come again. */
  setPassword(password: string, options?: { readonly disconnect?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const { config = [], port, password } = options;
  const process = await RedisProcess.start({
    config: [...config, ...(password === undefined ? [] : [`requirepass ${password}`])],
    ...(port === undefined ? {} : { port }),
    ...(password === undefined ? {} : { connect: { password } }),
  });
  const { address } = process;
  return {
    port: process.port,
    address,
    url: `redis://${address}`,
    process,
    redis: { address, ...(password === undefined ? {} : { password }) },
    command: (...words) => process.command(...words),
    kill: () => process.kill(),
    restart: () => process.restart(),
    pause: () => process.pause(),
    resume: () => process.resume(),
    setReadOnly: async (readOnly) => {
      const nobody = await freePort();
      await process.command('REPLICAOF', ...(readOnly ? ['127.0.0.1', nobody] : ['NO', 'ONE']));
    },
    setOutOfMemory: async (outOfMemory) => {
      await process.setConfig('maxmemory-policy', 'noeviction');
      await process.setConfig('maxmemory', outOfMemory ? '1' : '0');
    },
    setPassword: async (value, { disconnect = false } = {}) => {
      await process.setConfig('requirepass', value);
      process.useCredentials({ password: value });
      if (!disconnect) return;
      await process.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await process.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    },
    stop: () => process.stop(),
  };
}

export interface TestSentinel {
  readonly master: RedisProcess;
  readonly replica: RedisProcess;
  readonly sentinels: readonly RedisProcess[];
  /** The section of the configuration. */
  readonly redis: { readonly sentinel_master_name: string; readonly sentinel_addresses: string[] };
  stop(): Promise<void>;
}

/** Three Sentinels that give up on the master after `downAfterMs` (500). */
export async function startSentinel(options: { downAfterMs?: number; password?: string } = {}): Promise<TestSentinel> {
  const { downAfterMs = 500, password } = options;
  const secret = password === undefined ? [] : [`requirepass ${password}`, `masterauth ${password}`];
  const connect = password === undefined ? {} : { connect: { password } };
  const master = await RedisProcess.start({ config: secret, ...connect });
  const replica = await RedisProcess.start({ config: [`replicaof 127.0.0.1 ${master.port}`, ...secret], ...connect });
  await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'));
  const config = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds main ${downAfterMs}`,
    'sentinel failover-timeout main 3000',
    ...(password === undefined ? [] : [`sentinel auth-pass main ${password}`]),
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => RedisProcess.start({ sentinel: true, config })));
  await until(async () => {
    const known = await Promise.all(sentinels.map((sentinel) => sentinel.command('SENTINEL', 'MASTER', 'main')));
    return known.every((fields) => {
      const list = (Array.isArray(fields) ? fields : Object.entries(fields as object).flat()).map(String);
      const value = (name: string) => Number(list[list.indexOf(name) + 1]);
      return value('num-other-sentinels') === 2 && value('num-slaves') === 1;
    });
  });
  const all = [...sentinels, master, replica];
  return {
    master,
    replica,
    sentinels,
    redis: { sentinel_master_name: 'main', sentinel_addresses: sentinels.map(({ address }) => address) },
    stop: async () => {
      await Promise.all(all.map((process) => process.stop()));
    },
  };
}

export interface TestCluster {
  readonly nodes: readonly RedisProcess[];
  /** The section of the configuration. */
  readonly redis: { readonly cluster_addresses: string[] };
  stop(): Promise<void>;
}

/** Three masters, with one replica each if asked for; a node is given up after `nodeTimeoutMs` (1000). */
export async function startCluster(options: { nodeTimeoutMs?: number; replicas?: 0 | 1 } = {}): Promise<TestCluster> {
  const { nodeTimeoutMs = 1000, replicas = 0 } = options;
  const config = [
    'cluster-enabled yes',
    `cluster-node-timeout ${nodeTimeoutMs}`,
    'cluster-config-file nodes.conf',
    'cluster-replica-validity-factor 0',
  ];
  const nodes: RedisProcess[] = [];
  for (let count = 0; count < 3 * (1 + replicas); count += 1) nodes.push(await RedisProcess.start({ config }));
  const addresses = nodes.map(({ address }) => address);
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', `${replicas}`, '--cluster-yes']);
  await until(async () => {
    const states = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
    return states.every((state) => String(state).includes('cluster_state:ok'));
  });
  return {
    nodes,
    redis: { cluster_addresses: addresses },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

export interface TestTlsRedis {
  readonly process: RedisProcess;
  /** The section of the configuration, with the authority and a client certificate. */
  readonly redis: {
    readonly address: string;
    readonly tls: {
      readonly enabled: true;
      readonly insecure: boolean;
      readonly server_name: string;
      readonly ca_cert_file: string;
      readonly client_cert_file: string;
      readonly client_key_file: string;
    };
  };
  stop(): Promise<void>;
}

/** Speaks TLS alone, with a certificate for `redis.test`, and asks for one that its authority signed. */
export async function startTlsRedis(): Promise<TestTlsRedis> {
  const authority = selfSigned({ name: 'authority.test' });
  const server = selfSigned({ name: 'redis.test', issuer: authority });
  const client = selfSigned({ name: 'client.test', issuer: authority });
  const process = await RedisProcess.start({
    tls: true,
    files: {
      'ca.pem': authority.certPem,
      'server.pem': server.certPem,
      'server.key': server.keyPem,
      'client.pem': client.certPem,
      'client.key': client.keyPem,
    },
    config: ['tls-cert-file server.pem', 'tls-key-file server.key', 'tls-ca-cert-file ca.pem', 'tls-auth-clients yes'],
    connect: {
      tls: { ca: authority.certPem, cert: client.certPem, key: client.keyPem, servername: 'redis.test' },
    },
  });
  const file = (name: string) => join(process.directory, name);
  return {
    process,
    redis: {
      address: process.address,
      tls: {
        enabled: true,
        insecure: false,
        server_name: 'redis.test',
        ca_cert_file: file('ca.pem'),
        client_cert_file: file('client.pem'),
        client_key_file: file('client.key'),
      },
    },
    stop: () => process.stop(),
  };
}

/** Asks every 20 ms, for 15 s at most. Failures count as no. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    const met = await Promise.resolve()
      .then(condition)
      .catch(() => false);
    if (met) return;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const run = promisify(execFile);
