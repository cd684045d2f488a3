import { RpcError } from '../../lib/rpc-error.ts';
import type { Clock } from '../../room/clock.ts';
import type { Keyspace, KeyspaceValue, KeyspaceWrite, Link, SetOptions } from '../keyspace.ts';
import { LocalKeyspace } from '../local-keyspace.ts';

/** A Redis that many nodes of one process share, and that may lose what it holds. */
export class SharedRedis {
  readonly #clock: Clock;
  keyspace: LocalKeyspace;
  /** Monotonic milliseconds. */
  emptiedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.keyspace = new LocalKeyspace(() => clock.now());
  }

  empty(): void {
    this.keyspace = new LocalKeyspace(() => this.#clock.now());
    this.emptiedAt = this.#clock.now();
  }
}

/** One node's way to it, which may be slow or cut. Time is virtual. */
export class FarKeyspace implements Keyspace {
  readonly #redis: SharedRedis;
  readonly #clock: Clock;
  readonly #up = new Set<() => void>();
  readonly #down = new Set<() => void>();
  #linkUp = true;
  #cut = false;
  /** Milliseconds there and back. */
  latency = 2;
  /** Replies wait for this; a node that is stopped takes none. */
  awake: () => Promise<void> = async () => {};

  constructor(redis: SharedRedis, clock: Clock) {
    this.#redis = redis;
    this.#clock = clock;
  }

  get link(): Link {
    const listen = (set: Set<() => void>) => (listener: () => void) => {
      set.add(listener);
      return () => set.delete(listener);
    };
    return { up: this.#linkUp, onUp: listen(this.#up), onDown: listen(this.#down) };
  }

  /** Cut, commands get no answer; the link is seen to be down a little later. */
  set cut(cut: boolean) {
    if (cut === this.#cut) return;
    this.#cut = cut;
    this.#clock.after(cut ? COMMAND_MS : 200, () => {
      if (this.#cut !== cut || this.#linkUp === !cut) return;
      this.#linkUp = !cut;
      for (const listener of cut ? this.#down : this.#up) listener();
    });
  }

  hashGet(key: string, field: string): Promise<Uint8Array | undefined> {
    return this.#send((redis) => redis.hashGet(key, field));
  }

  hashGetMany(key: string, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#send((redis) => redis.hashGetMany(key, fields));
  }

  hashSet(key: string, field: string, value: KeyspaceValue): Promise<void> {
    return this.#send((redis) => redis.hashSet(key, field, value));
  }

  hashRemove(key: string, ...fields: string[]): Promise<void> {
    return this.#send((redis) => redis.hashRemove(key, ...fields));
  }

  hashSize(key: string): Promise<number> {
    return this.#send((redis) => redis.hashSize(key));
  }

  async *hashPages(key: string): AsyncIterable<[string, Uint8Array][]> {
    yield await this.#send(async (redis) => {
      const all: [string, Uint8Array][] = [];
      for await (const page of redis.hashPages(key)) all.push(...page);
      return all;
    });
  }

  setAdd(key: string, ...members: string[]): Promise<void> {
    return this.#send((redis) => redis.setAdd(key, ...members));
  }

  setRemove(key: string, ...members: string[]): Promise<void> {
    return this.#send((redis) => redis.setRemove(key, ...members));
  }

  setMembers(key: string): Promise<string[]> {
    return this.#send((redis) => redis.setMembers(key));
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#send((redis) => redis.get(key));
  }

  set(key: string, value: KeyspaceValue, options?: SetOptions): Promise<boolean> {
    return this.#send((redis) => redis.set(key, value, options));
  }

  remove(...keys: string[]): Promise<void> {
    return this.#send((redis) => redis.remove(...keys));
  }

  increment(key: string): Promise<number> {
    return this.#send((redis) => redis.increment(key));
  }

  removeIfEquals(key: string, value: KeyspaceValue): Promise<boolean> {
    return this.#send((redis) => redis.removeIfEquals(key, value));
  }

  extendIfEquals(key: string, value: KeyspaceValue, ttlMs: number): Promise<boolean> {
    return this.#send((redis) => redis.extendIfEquals(key, value, ttlMs));
  }

  hashSwap(key: string, field: string, expected?: KeyspaceValue, next?: KeyspaceValue): Promise<boolean> {
    return this.#send((redis) => redis.hashSwap(key, field, expected, next));
  }

  replaceIf(key: string, update: (current: Uint8Array | undefined) => Uint8Array | undefined): Promise<boolean> {
    return this.#send((redis) => redis.replaceIf(key, update));
  }

  many(writes: readonly KeyspaceWrite[]): Promise<void> {
    return this.#send((redis) => redis.many(writes));
  }

  async #send<T>(command: (redis: Keyspace) => Promise<T>): Promise<T> {
    if (!this.#linkUp) throw new RpcError('unavailable', 'redis is not available: the link is down');
    const { latency } = this;
    const answer = this.#pass(latency / 2)
      .then(() => command(this.#redis.keyspace))
      .then(async (result) => {
        await this.#pass(latency / 2);
        return result;
      });
    const late = this.#sleep(COMMAND_MS).then(() => {
      throw new RpcError('unavailable', 'redis is not available: no answer in time');
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      await this.awake();
    }
  }

  /** What is on its way when the link is cut is lost. */
  async #pass(ms: number): Promise<void> {
    if (!this.#cut) await this.#sleep(ms);
    if (this.#cut) await new Promise(() => {});
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}

const COMMAND_MS = 2000;
