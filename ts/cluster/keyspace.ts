/**
 * What the cluster's stores need of Redis: keys with hashes, sets and strings, and comparing writes. One implementation
 * is maps in this process, the other Redis.
 *
 * Every command rejects with `unavailable` where Redis is away: at once while the link is down, else within the time that
 * a command may take. A rejected write may have happened all the same.
 */
export interface Keyspace {
  hashGet(key: string, field: string): Promise<Uint8Array | undefined>;
  /** In the order of the fields. */
  hashGetMany(key: string, fields: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  hashSet(key: string, field: string, value: KeyspaceValue): Promise<void>;
  hashRemove(key: string, ...fields: string[]): Promise<void>;
  hashSize(key: string): Promise<number>;
  /**
   * The whole hash, a page at a time, so that neither Redis nor this event loop is held up. What is there all the while
   * comes, perhaps twice; what comes or goes meanwhile may or may not.
   */
  hashPages(key: string, pageSize?: number): AsyncIterable<HashEntry[]>;

  setAdd(key: string, ...members: string[]): Promise<void>;
  setRemove(key: string, ...members: string[]): Promise<void>;
  setMembers(key: string): Promise<string[]>;

  get(key: string): Promise<Uint8Array | undefined>;
  /** Whether it was written: always, except where it is there and `onlyIfAbsent`. */
  set(key: string, value: KeyspaceValue, options?: SetOptions): Promise<boolean>;
  /** Of any type. */
  remove(...keys: string[]): Promise<void>;
  /** Adds one, from 0 where it is absent, and returns the sum. */
  increment(key: string): Promise<number>;

  removeIfEquals(key: string, value: KeyspaceValue): Promise<boolean>;
  /** Gives the key a new lifetime in milliseconds. */
  extendIfEquals(key: string, value: KeyspaceValue, ttlMs: number): Promise<boolean>;
  /** One hash field from what is expected (undefined: absent) to what is next (undefined: removed), or nothing. */
  hashSwap(
    key: string,
    field: string,
    expected: KeyspaceValue | undefined,
    next: KeyspaceValue | undefined,
  ): Promise<boolean>;
  /**
   * Writes what `update` makes of the value, without a change by others in between: it is asked again when there was one,
   * five times at most; then this rejects with `aborted`. Undefined leaves the value as it is, and this resolves to false.
   */
  replaceIf(key: string, update: (current: Uint8Array | undefined) => Uint8Array | undefined): Promise<boolean>;

  /** Writes in this order, in one go, without waiting for each; not a transaction. Rejects if one of them failed. */
  many(writes: readonly KeyspaceWrite[]): Promise<void>;

  readonly link: Link;
}

/** Text is UTF-8. */
export type KeyspaceValue = Uint8Array | string;

export type HashEntry = [field: string, value: Uint8Array];

export interface SetOptions {
  readonly ttlMs?: number;
  readonly onlyIfAbsent?: boolean;
}

export type KeyspaceWrite =
  | { readonly write: 'hashSet'; readonly key: string; readonly field: string; readonly value: KeyspaceValue }
  | { readonly write: 'hashRemove'; readonly key: string; readonly fields: readonly string[] }
  | { readonly write: 'setAdd' | 'setRemove'; readonly key: string; readonly members: readonly string[] }
  | { readonly write: 'set'; readonly key: string; readonly value: KeyspaceValue; readonly ttlMs?: number }
  | { readonly write: 'remove'; readonly key: string };

/**
 * Whether Redis can be used, writes included. Each time it comes up, Redis may be another one, or an empty one: who keeps
 * state there writes it again.
 */
export interface Link {
  readonly up: boolean;
  /** The returned function ends it. */
  onUp(listener: () => void): () => void;
  onDown(listener: () => void): () => void;
}

/** The link of what is in this process. */
export const ALWAYS_UP: Link = {
  up: true,
  onUp: () => () => {},
  onDown: () => () => {},
};
