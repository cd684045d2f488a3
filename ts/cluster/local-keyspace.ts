import { RpcError } from '../lib/rpc-error.ts';
import {
  ALWAYS_UP,
  type HashEntry,
  type Keyspace,
  type KeyspaceValue,
  type KeyspaceWrite,
  type Link,
  type SetOptions,
} from './keyspace.ts';

type Entry =
  | { readonly is: 'hash'; readonly fields: Map<string, Uint8Array> }
  | { readonly is: 'set'; readonly members: Set<string> }
  | { readonly is: 'string'; readonly value: Uint8Array; readonly endsAt: number };

/** The keyspace of a single node: maps in this process, which end with it. */
export class LocalKeyspace implements Keyspace {
  readonly link: Link = ALWAYS_UP;
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  #writesWithEnd = 0;

  /** `now` in milliseconds, of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  async hashGet(key: string, field: string): Promise<Uint8Array | undefined> {
    return this.#hash(key)?.get(field)?.slice();
  }

  async hashGetMany(key: string, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const hash = this.#hash(key);
    return fields.map((field) => hash?.get(field)?.slice());
  }

  async hashSet(key: string, field: string, value: KeyspaceValue): Promise<void> {
    this.#hashToWrite(key).set(field, bytesOf(value));
  }

  async hashRemove(key: string, ...fields: string[]): Promise<void> {
    const hash = this.#hash(key);
    for (const field of fields) hash?.delete(field);
    if (hash?.size === 0) this.#entries.delete(key);
  }

  async hashSize(key: string): Promise<number> {
    return this.#hash(key)?.size ?? 0;
  }

  async *hashPages(key: string, pageSize = DEFAULT_PAGE_SIZE): AsyncIterable<HashEntry[]> {
    let page: HashEntry[] = [];
    for (const [field, value] of this.#hash(key) ?? []) {
      page.push([field, value.slice()]);
      if (page.length < pageSize) continue;
      yield page;
      page = [];
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (page.length > 0) yield page;
  }

  async setAdd(key: string, ...members: string[]): Promise<void> {
    if (members.length === 0) return;
    const set = this.#set(key) ?? new Set();
    for (const member of members) set.add(member);
    this.#entries.set(key, { is: 'set', members: set });
  }

  async setRemove(key: string, ...members: string[]): Promise<void> {
    const set = this.#set(key);
    for (const member of members) set?.delete(member);
    if (set?.size === 0) this.#entries.delete(key);
  }

  async setMembers(key: string): Promise<string[]> {
    return [...(this.#set(key) ?? [])];
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#string(key)?.value.slice();
  }

  async set(key: string, value: KeyspaceValue, options: SetOptions = {}): Promise<boolean> {
    const { ttlMs, onlyIfAbsent = false } = options;
    if (onlyIfAbsent && this.#entry(key) !== undefined) return false;
    this.#write(key, bytesOf(value), ttlMs);
    return true;
  }

  async remove(...keys: string[]): Promise<void> {
    for (const key of keys) this.#entries.delete(key);
  }

  async increment(key: string): Promise<number> {
    const entry = this.#string(key);
    const sum = Number(entry === undefined ? 0 : Buffer.from(entry.value).toString()) + 1;
    if (!Number.isSafeInteger(sum))
      throw new RpcError('internal', 'redis: ERR value is not an integer or out of range');
    this.#entries.set(key, {
      is: 'string',
      value: bytesOf(`${sum}`),
      endsAt: entry?.endsAt ?? Number.POSITIVE_INFINITY,
    });
    return sum;
  }

  async removeIfEquals(key: string, value: KeyspaceValue): Promise<boolean> {
    const equal = same(this.#string(key)?.value, value);
    if (equal) this.#entries.delete(key);
    return equal;
  }

  async extendIfEquals(key: string, value: KeyspaceValue, ttlMs: number): Promise<boolean> {
    const entry = this.#string(key);
    if (entry === undefined || !same(entry.value, value)) return false;
    this.#write(key, entry.value, ttlMs);
    return true;
  }

  async hashSwap(
    key: string,
    field: string,
    expected: KeyspaceValue | undefined,
    next: KeyspaceValue | undefined,
  ): Promise<boolean> {
    if (!same(this.#hash(key)?.get(field), expected)) return false;
    await (next === undefined ? this.hashRemove(key, field) : this.hashSet(key, field, next));
    return true;
  }

  async replaceIf(key: string, update: (current: Uint8Array | undefined) => Uint8Array | undefined): Promise<boolean> {
    const next = update(this.#string(key)?.value.slice());
    if (next !== undefined) this.#write(key, next.slice(), undefined);
    return next !== undefined;
  }

  async many(writes: readonly KeyspaceWrite[]): Promise<void> {
    const results = await Promise.allSettled(writes.map((write) => this.#apply(write)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #apply(write: KeyspaceWrite): Promise<unknown> {
    switch (write.write) {
      case 'hashSet':
        return this.hashSet(write.key, write.field, write.value);
      case 'hashRemove':
        return this.hashRemove(write.key, ...write.fields);
      case 'setAdd':
        return this.setAdd(write.key, ...write.members);
      case 'setRemove':
        return this.setRemove(write.key, ...write.members);
      case 'set':
        return this.set(write.key, write.value, write.ttlMs === undefined ? {} : { ttlMs: write.ttlMs });
      case 'remove':
        return this.remove(write.key);
    }
  }

  #write(key: string, value: Uint8Array, ttlMs: number | undefined): void {
    const now = this.#now();
    this.#entries.set(key, { is: 'string', value, endsAt: now + (ttlMs ?? Number.POSITIVE_INFINITY) });
    if (ttlMs === undefined) return;
    // Nobody may ever ask again for what has ended.
    this.#writesWithEnd += 1;
    if (this.#writesWithEnd % SWEEP_EVERY !== 0) return;
    for (const [other, entry] of this.#entries) {
      if (entry.is === 'string' && entry.endsAt <= now) this.#entries.delete(other);
    }
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.is !== 'string' || entry.endsAt > this.#now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  #hash(key: string): Map<string, Uint8Array> | undefined {
    const entry = this.#entry(key);
    if (entry !== undefined && entry.is !== 'hash') throw wrongType();
    return entry?.fields;
  }

  #hashToWrite(key: string): Map<string, Uint8Array> {
    const fields = this.#hash(key) ?? new Map<string, Uint8Array>();
    this.#entries.set(key, { is: 'hash', fields });
    return fields;
  }

  #set(key: string): Set<string> | undefined {
    const entry = this.#entry(key);
    if (entry !== undefined && entry.is !== 'set') throw wrongType();
    return entry?.members;
  }

  #string(key: string): (Entry & { is: 'string' }) | undefined {
    const entry = this.#entry(key);
    if (entry !== undefined && entry.is !== 'string') throw wrongType();
    return entry;
  }
}

function bytesOf(value: KeyspaceValue): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value.slice();
}

function same(current: Uint8Array | undefined, expected: KeyspaceValue | undefined): boolean {
  if (current === undefined || expected === undefined) return current === expected;
  return Buffer.compare(current, typeof expected === 'string' ? Buffer.from(expected) : expected) === 0;
}

function wrongType(): RpcError {
  return new RpcError('internal', 'redis: WRONGTYPE Operation against a key holding the wrong kind of value');
}

const DEFAULT_PAGE_SIZE = 500;
const SWEEP_EVERY = 1000;
