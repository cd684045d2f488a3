/** Leases and ownership on virtual clocks: scenarios one by one, then random faults under invariants. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoomName } from '../lib/ids.ts';
import { VirtualClock } from '../room/testing/virtual-clock.ts';
import { LEASE_MS } from './lease.ts';
import { OWNERS_KEY, parseOwner } from './owners.ts';
import { SharedRedis } from './testing/far-keyspace.ts';
import { ModelNode } from './testing/fleet.ts';
import { GONE_AFTER_MS } from './watch.ts';

const room = 'r' as RoomName;

async function fleet(count: number) {
  const clock = new VirtualClock();
  const redis = new SharedRedis(clock);
  const nodes = Array.from({ length: count }, (_, index) => new ModelNode(`ND_${index}`, redis, clock));
  const [a, b] = nodes;
  assert.ok(a !== undefined && b !== undefined);
  await during(clock, Promise.all(nodes.map((node) => node.start())));
  await clock.advance(3000);
  return { clock, redis, nodes, a, b };
}

/** Lets time pass until it is done. */
async function during<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  for (let passed = 0; !done && passed < 60_000; passed += 10) await clock.advance(10);
  return finished;
}

describe('ownership', () => {
  it('is one node’s', async () => {
    const { clock, a, b } = await fleet(2);
    assert.equal(await during(clock, a.open(room)), true);
    assert.equal(await during(clock, b.open(room)), false);
    assert.deepEqual([a.owners.holds(room), b.owners.holds(room)], [true, false]);
  });

  it('of a room that ended is free', async () => {
    const { clock, a, b, redis } = await fleet(2);
    await during(clock, a.open(room));
    await during(clock, a.close(room));
    assert.equal(await redis.keyspace.hashGet(OWNERS_KEY, room), undefined);
    assert.equal(await redis.keyspace.hashGet('rooms', room), undefined);
    assert.equal(await during(clock, b.open(room)), true);
  });

  it('of a dead node passes on within its lease and the time to be certain', async () => {
    const { clock, a, b } = await fleet(2);
    await during(clock, a.open(room));
    const gone: string[] = [];
    b.watch.onGone((node) => gone.push(node));
    a.kill();
    await clock.advance(1000);
    assert.equal(await during(clock, b.open(room)), false, 'the lease lasts');
    await clock.advance(LEASE_MS + GONE_AFTER_MS);
    assert.deepEqual(gone, ['ND_0']);
    assert.equal(await during(clock, b.open(room)), true);
    assert.equal(b.watch.gone, 1);
  });

  it('stays in an outage of Redis, in doubt, and is ours again after it', async () => {
    const { clock, a, b, nodes } = await fleet(2);
    await during(clock, a.open(room));
    for (const node of nodes) node.keyspace.cut = true;
    await clock.advance(7 * 60_000);
    assert.deepEqual([a.lease.valid, a.owners.holds(room), a.rooms.has(room)], [false, false, true]);
    assert.equal(await during(clock, a.open('other' as RoomName)), false, 'no new rooms');
    for (const node of nodes) node.keyspace.cut = false;
    await clock.advance(2000);
    assert.deepEqual([a.owners.holds(room), b.owners.holds(room), a.moved], [true, false, 0]);
    assert.equal(a.lease.lost, 1);
  });

  it('is written down again when Redis comes back empty, and nobody takes the room meanwhile', async () => {
    const { clock, redis, a, b, nodes } = await fleet(2);
    await during(clock, a.open(room));
    const before = a.lease.epoch;
    for (const node of nodes) node.keyspace.cut = true;
    await clock.advance(30_000);
    redis.empty();
    for (const node of nodes) node.keyspace.cut = false;
    assert.equal(await during(clock, b.open(room)), false);
    await clock.advance(5000);
    assert.deepEqual([a.owners.holds(room), a.moved], [true, 0]);
    assert.ok(a.lease.epoch > before, 'an epoch is never used twice');
    assert.ok(await redis.keyspace.hashGet('rooms', room), 'the room is published anew');
  });

  it('survives FLUSHALL', async () => {
    const { clock, redis, a, b } = await fleet(2);
    await during(clock, a.open(room));
    redis.empty();
    const taking = during(clock, b.open(room));
    assert.equal(await taking, false);
    await clock.advance(2000);
    assert.deepEqual([a.owners.holds(room), a.moved], [true, 0]);
  });

  it('is written down again where a failover of Redis lost the entry alone', async () => {
    const { clock, redis, a } = await fleet(2);
    await during(clock, a.open(room));
    await redis.keyspace.hashRemove(OWNERS_KEY, room);
    await clock.advance(3000);
    assert.equal(parseOwner(await redis.keyspace.hashGet(OWNERS_KEY, room))?.node, a.id);
    assert.deepEqual([a.owners.holds(room), a.moved], [true, 0]);
  });

  it('is lost by a node that was cut off for longer than its lease, and the store is left alone', async () => {
    const { clock, redis, a, b } = await fleet(2);
    await during(clock, a.open(room));
    a.keyspace.cut = true;
    await clock.advance(LEASE_MS + GONE_AFTER_MS + 1000);
    assert.equal(await during(clock, b.open(room)), true);
    assert.equal(a.rooms.has(room), true, 'calls go on');
    await during(clock, a.close('unknown' as RoomName));
    a.keyspace.cut = false;
    await clock.advance(3000);
    assert.deepEqual([a.rooms.has(room), a.moved, b.owners.holds(room)], [false, 1, true]);
    assert.equal(Buffer.from((await redis.keyspace.hashGet('rooms', room)) ?? []).toString(), 'ND_1');
  });

  it('of a room that ended during an outage is given up after it', async () => {
    const { clock, redis, a } = await fleet(2);
    await during(clock, a.open(room));
    a.keyspace.cut = true;
    await clock.advance(3000);
    await during(clock, a.close(room));
    await clock.advance(1000);
    a.keyspace.cut = false;
    await clock.advance(5000);
    assert.equal(await redis.keyspace.hashGet(OWNERS_KEY, room), undefined);
    assert.equal(await redis.keyspace.hashGet('rooms', room), undefined);
  });

  it('is not believed in by a node that was stopped, when it goes on', async () => {
    const { clock, a, b } = await fleet(2);
    await during(clock, a.open(room));
    a.clock.stop();
    await clock.advance(10_000);
    assert.equal(a.owners.holds(room), false);
    assert.equal(await during(clock, b.open(room)), true);
    a.clock.resume();
    await clock.advance(3000);
    assert.deepEqual([a.rooms.has(room), b.owners.holds(room)], [false, true]);
  });

  it('is in doubt while answers take five seconds, and nobody loses it', async () => {
    const { clock, a, b, nodes } = await fleet(2);
    await during(clock, a.open(room));
    for (const node of nodes) node.keyspace.latency = 5000;
    await clock.advance(60_000);
    assert.equal(a.lease.valid, false);
    for (const node of nodes) node.keyspace.latency = 2;
    await clock.advance(7000);
    assert.deepEqual([a.owners.holds(room), b.owners.holds(room), a.moved], [true, false, 0]);
  });
});

describe('random faults', () => {
  const seeds =
    process.env.SEED === undefined ? Array.from({ length: 10 }, (_, n) => n + 1) : [Number(process.env.SEED)];
  for (const seed of seeds) {
    it(`leave one owner at most, and one at last: seed ${seed}`, async () => {
      await new Model(seed).run();
    });
  }
});

class Model {
  readonly #random: () => number;
  readonly #clock = new VirtualClock();
  readonly #redis = new SharedRedis(this.#clock);
  readonly #rooms = Array.from({ length: 5 }, (_, n) => `room-${n}` as RoomName);
  #nodes: ModelNode[] = [];
  #born = 0;
  readonly #log: string[] = [];

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  async run(): Promise<void> {
    for (let count = 0; count < 4; count++) this.#birth();
    for (let step = 0; step < 150; step++) {
      this.#act();
      await this.#pass(Math.floor(this.#random() * 1500));
    }
    await this.#heal();
    for (const room of this.#rooms) {
      const hosts = this.#nodes.filter(({ rooms }) => rooms.has(room));
      const holders = this.#nodes.filter(({ owners }) => owners.holds(room));
      assert.ok(hosts.length <= 1, this.#tell(`${room} runs on ${hosts.map(({ id }) => id)}`));
      assert.deepEqual(holders, hosts, this.#tell(`${room} is owned by who hosts it`));
      const [host] = hosts;
      const record = await this.#redis.keyspace.hashGet('rooms', room);
      if (host !== undefined) assert.ok(record, this.#tell(`the record of ${room} is gone`));
    }
    for (const room of this.#rooms) {
      const [host = this.#pick(this.#nodes)] = this.#nodes.filter(({ rooms }) => rooms.has(room));
      assert.equal(await during(this.#clock, host.open(room)), true, this.#tell(`nobody can take ${room}`));
    }
  }

  #act(): void {
    const node = this.#pick(this.#nodes);
    const room = this.#pick(this.#rooms);
    const dice = this.#random();
    if (dice < 0.4) this.#note(`open ${room} ${node.id}`, node.clock.runs && void node.open(room));
    else if (dice < 0.5) this.#note(`close ${room} ${node.id}`, node.clock.runs && void node.close(room));
    else if (dice < 0.6) this.#note(`cut ${node.id}`, this.#set(node, true));
    else if (dice < 0.75) this.#note(`mend ${node.id}`, this.#set(node, false));
    else if (dice < 0.8) this.#note(`stop ${node.id}`, node.clock.stop());
    else if (dice < 0.88) this.#note(`resume ${node.id}`, node.clock.resume());
    else if (dice < 0.92) this.#note(`slow ${node.id}`, this.#slow(node));
    else if (dice < 0.95) this.#kill(node);
    else if (dice < 0.97) this.#note('empty', this.#redis.empty());
    else this.#note('outage', this.#outage());
  }

  #outage(): void {
    const cut = this.#random() < 0.5;
    for (const node of this.#nodes) node.keyspace.cut = cut;
    if (cut && this.#random() < 0.5) this.#redis.empty();
  }

  #set(node: ModelNode, cut: boolean): void {
    node.keyspace.cut = cut;
  }

  #slow(node: ModelNode): void {
    node.keyspace.latency = this.#pick([2, 50, 900, 5000]);
  }

  /** A process that is new in an emptied keyspace can't know that it was not always empty: see the decision's limits. */
  #kill(node: ModelNode): void {
    if (this.#clock.now() - this.#redis.emptiedAt < 6000) return;
    this.#note(`kill ${node.id}`, node.kill());
    this.#nodes = this.#nodes.filter((other) => other !== node);
    this.#birth();
  }

  #birth(): void {
    const node = new ModelNode(`ND_${this.#born++}`, this.#redis, this.#clock);
    this.#nodes.push(node);
    void node.start();
  }

  async #heal(): Promise<void> {
    this.#note('heal', undefined);
    for (const node of this.#nodes) {
      node.keyspace.cut = false;
      node.keyspace.latency = 2;
      node.clock.resume();
    }
    await this.#pass(30_000);
  }

  /** Looks all the while. */
  async #pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += LOOK_MS) {
      await this.#clock.advance(LOOK_MS);
      for (const room of this.#rooms) await this.#check(room);
      for (const node of this.#nodes) if (node.clock.runs) for (const room of node.rooms) node.write(room);
    }
  }

  async #check(room: RoomName): Promise<void> {
    const holders = this.#nodes.filter(({ owners }) => owners.holds(room));
    assert.ok(holders.length <= 1, this.#tell(`${room} is held by ${holders.map(({ id }) => id)}`));
    const [holder] = holders;
    const owner = parseOwner(await this.#redis.keyspace.hashGet(OWNERS_KEY, room));
    // Whoever holds it may write, so nobody else may be written down.
    if (holder !== undefined && owner !== undefined) assert.equal(owner.node, holder.id, this.#tell(room));
  }

  #note(what: string, _done: unknown): void {
    this.#log.push(`${this.#clock.now() % 1e9} ${what}`);
  }

  #tell(what: string): string {
    return `${what} at ${this.#clock.now() % 1e9}\n${this.#log.slice(-25).join('\n')}`;
  }

  #pick<T>(from: readonly T[]): T {
    const picked = from[Math.floor(this.#random() * from.length)];
    assert.ok(picked !== undefined);
    return picked;
  }
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LOOK_MS = 50;
