import type { HashEntry, Keyspace, KeyspaceValue, KeyspaceWrite, Link, SetOptions } from '../cluster/keyspace.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RedisConnection } from './connection.ts';

export class RedisKeyspace implements Keyspace {
  readonly link: Link;
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.link = redis.link;
  }

  async hashGet(key: string, field: string): Promise<Uint8Array | undefined> {
    return bytes(await this.#redis.send('hget', key, field));
  }

  async hashGetMany(key: string, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    if (fields.length === 0) return [];
    return list(await this.#redis.send('hmget', key, ...fields)).map(bytes);
  }

  async hashSet(key: string, field: string, value: KeyspaceValue): Promise<void> {
    await this.#redis.send('hset', key, field, word(value));
  }

  async hashRemove(key: string, ...fields: string[]): Promise<void> {
    if (fields.length > 0) await this.#redis.send('hdel', key, ...fields);
  }

  async hashSize(key: string): Promise<number> {
    return Number(await this.#redis.send('hlen', key));
  }

  async *hashPages(key: string, pageSize = DEFAULT_PAGE_SIZE): AsyncIterable<HashEntry[]> {
    let cursor = '0';
    do {
      const [next, entries] = list(await this.#redis.send('hscan', key, cursor, 'COUNT', pageSize));
      cursor = text(next);
      const page = pairs(list(entries));
      if (page.length > 0) yield page;
    } while (cursor !== '0');
  }

  async setAdd(key: string, ...members: string[]): Promise<void> {
    if (members.length > 0) await this.#redis.send('sadd', key, ...members);
  }

  async setRemove(key: string, ...members: string[]): Promise<void> {
    if (members.length > 0) await this.#redis.send('srem', key, ...members);
  }

  async setMembers(key: string): Promise<string[]> {
    return list(await this.#redis.send('smembers', key)).map(text);
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return bytes(await this.#redis.send('get', key));
  }

  async set(key: string, value: KeyspaceValue, { ttlMs, onlyIfAbsent = false }: SetOptions = {}): Promise<boolean> {
    const lifetime = ttlMs === undefined ? [] : ['PX', ttlMs];
    const reply = await this.#redis.send('set', key, word(value), ...lifetime, ...(onlyIfAbsent ? ['NX'] : []));
    return reply !== null;
  }

  async remove(...keys: string[]): Promise<void> {
    // One by one: in a cluster they may be on several nodes.
    await Promise.all(keys.map((key) => this.#redis.send('del', key)));
  }

  async increment(key: string): Promise<number> {
    return Number(await this.#redis.send('incr', key));
  }

  removeIfEquals(key: string, value: KeyspaceValue): Promise<boolean> {
    return this.#decide(REMOVE_IF_EQUALS, key, word(value));
  }

  extendIfEquals(key: string, value: KeyspaceValue, ttlMs: number): Promise<boolean> {
    return this.#decide(EXTEND_IF_EQUALS, key, word(value), ttlMs);
  }

  hashSwap(
    key: string,
    field: string,
    expected: KeyspaceValue | undefined,
    next: KeyspaceValue | undefined,
  ): Promise<boolean> {
    return this.#decide(HASH_SWAP, key, field, ...optional(expected), ...optional(next));
  }

  async replaceIf(key: string, update: (current: Uint8Array | undefined) => Uint8Array | undefined): Promise<boolean> {
    for (let attempt = 0; attempt < MAX_REPLACE_ATTEMPTS; attempt += 1) {
      const current = await this.get(key);
      const next = update(current);
      if (next === undefined) return false;
      if (await this.#decide(REPLACE_IF_EQUALS, key, ...optional(current), word(next))) return true;
    }
    throw new RpcError('aborted', `${key} changed ${MAX_REPLACE_ATTEMPTS} times meanwhile`);
  }

  /** What is sent in one turn goes out in one go, over one connection (in a cluster: one to each node). */
  async many(writes: readonly KeyspaceWrite[]): Promise<void> {
    const commands = writes.filter(hasEffect).map(commandOf);
    const results = await Promise.allSettled(commands.map((words) => this.#redis.send(...words)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #decide(script: string, key: string, ...words: (string | Buffer | number)[]): Promise<boolean> {
    return (await this.#redis.send('eval', script, 1, key, ...words)) === 1;
  }
}

function hasEffect(write: KeyspaceWrite): boolean {
  if (write.write === 'hashRemove') return write.fields.length > 0;
  return (write.write !== 'setAdd' && write.write !== 'setRemove') || write.members.length > 0;
}

function commandOf(write: KeyspaceWrite): [string, ...(string | Buffer | number)[]] {
  const { key } = write;
  switch (write.write) {
    case 'hashSet':
      return ['hset', key, write.field, word(write.value)];
    case 'hashRemove':
      return ['hdel', key, ...write.fields];
    case 'setAdd':
      return ['sadd', key, ...write.members];
    case 'setRemove':
      return ['srem', key, ...write.members];
    case 'set':
      return ['set', key, word(write.value), ...(write.ttlMs === undefined ? [] : ['PX', write.ttlMs])];
    case 'remove':
      return ['del', key];
  }
}

function word(value: KeyspaceValue): string | Buffer {
  // ioredis writes a plain Uint8Array as its numbers.
  return typeof value === 'string' ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A flag and the value, for scripts, which know no absent argument. */
function optional(value: KeyspaceValue | undefined): (string | Buffer)[] {
  return value === undefined ? ['0', ''] : ['1', word(value)];
}

function bytes(reply: unknown): Uint8Array | undefined {
  return reply instanceof Uint8Array ? reply : undefined;
}

function text(reply: unknown): string {
  return reply instanceof Uint8Array ? Buffer.from(reply).toString() : String(reply);
}

function list(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

function pairs(flat: readonly unknown[]): HashEntry[] {
  const entries: HashEntry[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const value = bytes(flat[index + 1]);
    if (value !== undefined) entries.push([text(flat[index]), value]);
  }
  return entries;
}

const REMOVE_IF_EQUALS = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

const EXTEND_IF_EQUALS = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const HASH_SWAP = `
local current = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] == '0' then
  if current then return 0 end
elseif current ~= ARGV[3] then
  return 0
end
if ARGV[4] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
end
return 1`;

const REPLACE_IF_EQUALS = `
local current = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then
  if current then return 0 end
elseif current ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3])
return 1`;

const DEFAULT_PAGE_SIZE = 500;
const MAX_REPLACE_ATTEMPTS = 5;
