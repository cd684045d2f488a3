/** What the cluster keeps in Redis, as a test looks at it (docs/cluster.md). */

import type { Cluster } from './cluster.ts';

type Ask = Cluster['redis']['command'];

async function hash(ask: Ask, key: string): Promise<Map<string, string>> {
  const flat = (await ask('HGETALL', key)) as (string | Buffer)[];
  const entries = new Map<string, string>();
  for (let index = 0; index < flat.length; index += 2) entries.set(String(flat[index]), String(flat[index + 1]));
  return entries;
}

/** The node that every room is leased to. */
export async function owners(ask: Ask): Promise<Map<string, string>> {
  const values = await hash(ask, 'sluice:owners');
  return new Map([...values].map(([room, value]) => [room, value.split('/')[0] ?? '']));
}

/** livekit's own map of rooms to nodes. */
export function roomNodes(ask: Ask): Promise<Map<string, string>> {
  return hash(ask, 'room_node_map');
}

export async function nodeIds(ask: Ask): Promise<string[]> {
  return ((await ask('HKEYS', 'nodes')) as unknown[]).map(String).sort();
}

export async function roomNames(ask: Ask): Promise<string[]> {
  return ((await ask('HKEYS', 'rooms')) as unknown[]).map(String).sort();
}
