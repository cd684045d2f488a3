/** Subcommands about a running fleet: `list-nodes`, from Redis, and `drain` and `undrain`, by a node's API. */

import { Keys } from './auth/keys.ts';
import { mintToken } from './auth/token.ts';
import type { DrainStatus } from './cluster/drain.ts';
import { KeyspaceStore } from './cluster/store.ts';
import type { ClusterNode } from './cluster/types.ts';
import type { Config } from './config/schema.ts';
import type { Log } from './log/log.ts';
import { RedisConnection } from './redis/connection.ts';
import { RedisKeyspace } from './redis/keyspace.ts';
import { redisSettings } from './redis/options.ts';

type Print = (line: string) => void;

/** A table of the nodes that have a record. Rejects where no Redis is configured, or it does not answer. */
export async function listNodes(config: Pick<Config, 'redis'>, log: Log, now: Date, print: Print): Promise<void> {
  const settings = redisSettings(config.redis);
  if (settings === undefined) throw new Error('list-nodes needs Redis: a single node has no list');
  const connection = new RedisConnection(settings, { log });
  try {
    await connection.untilUp(CONNECT_MS);
    const nodes = await new KeyspaceStore(new RedisKeyspace(connection)).nodes.list();
    for (const line of table(nodes, now)) print(line);
  } finally {
    await connection.close();
  }
}

/** Columns that line up; ages in seconds. */
export function table(nodes: readonly ClusterNode[], now: Date): string[] {
  const heading = [
    'ID',
    'IP',
    'Region',
    'State',
    'CPUs',
    'CPU load',
    'Memory',
    'Rooms',
    'Clients',
    'In/out',
    'Updated',
  ];
  const rows = nodes.toSorted((left, right) => left.id.localeCompare(right.id)).map((node) => row(node, now));
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return [heading, ...rows].map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function row({ id, ip, region, state, stats }: ClusterNode, now: Date): string[] {
  const percent = (share: number) => `${Math.round(share * 100)}%`;
  return [
    id,
    ip,
    region === '' ? '-' : region,
    state,
    `${stats.numCpus}`,
    percent(stats.cpuLoad),
    percent(stats.memoryTotal > 0 ? stats.memoryUsed / stats.memoryTotal : 0),
    `${stats.numRooms}`,
    `${stats.numClients}`,
    `${stats.numTracksIn}/${stats.numTracksOut}`,
    `${Math.max(0, Math.round(now.getTime() / 1000 - stats.updatedAt))}s ago`,
  ];
}

export interface DrainOptions {
  /** Of the node; by default the one of this configuration on this machine. */
  readonly url?: string;
  /** Until nobody is left. */
  readonly wait?: boolean;
}

/** Asks a node to drain, or to stop doing so, and prints what it says. */
export async function drainNode(
  config: Config,
  what: 'drain' | 'undrain',
  options: DrainOptions,
  print: Print,
): Promise<void> {
  const scheme = config.tls.cert_file === '' ? 'http' : 'https';
  const base = (options.url ?? `${scheme}://localhost:${config.port}`).replace(/^ws/, 'http').replace(/\/$/, '');
  let status = await ask(config, `${base}/${what}`, 'POST');
  print(JSON.stringify(status));
  while (what === 'drain' && options.wait === true && status.state === 'draining') {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    status = await ask(config, `${base}/drain`, 'GET');
    if (status.state !== 'draining') print(JSON.stringify(status));
  }
}

async function ask(config: Config, url: string, method: string): Promise<DrainStatus> {
  const now = new Date();
  const grants = { video: { roomCreate: true, roomList: true } };
  const token = await mintToken(
    new Keys(config.keys),
    grants,
    '',
    Math.floor(now.getTime() / 1000) + TOKEN_SECONDS,
    now,
  );
  const answer = await fetch(url, { method, headers: { authorization: `Bearer ${token}` } });
  const body = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${body}`);
  return JSON.parse(body);
}

const CONNECT_MS = 5000;
const POLL_MS = 1000;
const TOKEN_SECONDS = 60;
