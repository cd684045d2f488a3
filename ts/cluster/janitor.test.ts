import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ParticipantInfo, Room } from '@livekit/protocol';
import type { NodeId, RoomName } from '../lib/ids.ts';
import { VirtualClock } from '../room/testing/virtual-clock.ts';
import { Janitor } from './janitor.ts';
import { ClusterMembers } from './members.ts';
import { noStats } from './node-record.ts';
import { OWNERS_KEY } from './owners.ts';
import { KeyspaceStore } from './store.ts';
import { SharedRedis } from './testing/far-keyspace.ts';
import { ModelNode } from './testing/fleet.ts';

const room = 'r' as RoomName;
const internal = {
  participantEgress: undefined,
  trackEgress: undefined,
  agentDispatches: [],
  playoutDelay: undefined,
  syncStreams: false,
};

async function setUp() {
  const clock = new VirtualClock();
  const redis = new SharedRedis(clock);
  const [dead, living] = [new ModelNode('ND_dead', redis, clock), new ModelNode('ND_living', redis, clock)];
  const { keyspace } = living;
  const store = new KeyspaceStore(keyspace);
  const now = () => new Date(clock.now());
  const onError = () => {};
  const members = new ClusterMembers({ self: living.id, directory: store.nodes, watch: living.watch, now });
  const { lease, owners } = living;
  const janitor = new Janitor({ self: living.id, keyspace, store, lease, owners, members, clock, now, onError });
  const work = Promise.all([dead.start(), living.start()]);
  await clock.advance(4000);
  await work;
  janitor.start();
  const seen = new KeyspaceStore(redis.keyspace);
  const register = (id: NodeId) =>
    seen.nodes.register({
      id,
      ip: '',
      region: '',
      state: 'serving',
      stats: { ...noStats(), updatedAt: clock.now() / 1000 },
    });
  await register(dead.id);
  await register(living.id);
  return { clock, redis, dead, living, janitor, seen, register };
}

describe('the rest of a dead node', () => {
  it('goes, and its rooms after their departure timeout', async () => {
    const { clock, redis, dead, living, janitor, seen } = await setUp();
    const opened = dead.open(room);
    await clock.advance(500);
    assert.equal(await opened, true);
    const creationTime = BigInt(Math.floor(clock.now() / 1000));
    await seen.rooms.store(new Room({ name: room, departureTimeout: 20, emptyTimeout: 30, creationTime }), internal);
    await seen.nodes.assignRoom(room, dead.id);
    await seen.participants.store(room, new ParticipantInfo({ identity: 'x' }));
    dead.kill();
    await clock.advance(8000);
    assert.deepEqual(await seen.participants.list(room), []);
    assert.deepEqual(
      (await seen.nodes.list()).map(({ id }) => id),
      [living.id],
    );
    assert.equal(await redis.keyspace.hashGet(OWNERS_KEY, room), undefined);
    assert.equal((await seen.rooms.list()).length, 1, 'somebody may come back');
    await clock.advance(60_000);
    assert.deepEqual(await seen.rooms.list(), []);
    const stopped = janitor.stop();
    await clock.advance(1000);
    await stopped;
  });

  it('is not cleared from under those who come back at the same time', async () => {
    for (const [first, later] of [
      ['claim', 'clean'],
      ['clean', 'claim'],
    ] as const) {
      const { clock, redis, dead, living, janitor, seen } = await setUp();
      const opened = dead.open(room);
      await clock.advance(500);
      assert.equal(await opened, true);
      await janitor.stop();
      dead.kill();
      await clock.advance(8000);
      const cleared: string[] = [];
      const { owners } = living;
      const acts = {
        claim: () =>
          owners.claim(room).then(() => seen.participants.store(room, new ParticipantInfo({ identity: 'x' }))),
        clean: () =>
          owners.clean(room, async () => {
            for (const { identity } of await seen.participants.list(room)) cleared.push(identity);
          }),
      };
      const both = Promise.all([acts[first](), acts[later]()]);
      await clock.advance(2000);
      await both;
      assert.deepEqual(cleared, [], first);
      assert.ok(owners.holds(room));
      const entry = await redis.keyspace.hashGet(OWNERS_KEY, room);
      assert.match(String(entry && Buffer.from(entry)), /^ND_living\//, `${first} first`);
    }
  });

  it('goes where its clock was far ahead, too', async () => {
    const { clock, redis, dead, janitor, seen } = await setUp();
    const opened = dead.open(room);
    await clock.advance(500);
    assert.equal(await opened, true);
    await seen.nodes.assignRoom(room, dead.id);
    const stats = { ...noStats(), updatedAt: clock.now() / 1000 + 300 };
    await seen.nodes.register({ id: dead.id, ip: '', region: '', state: 'serving', stats });
    dead.kill();
    await clock.advance(8000);
    assert.equal(await redis.keyspace.hashGet(OWNERS_KEY, room), undefined);
    assert.equal(await seen.nodes.nodeForRoom(room), undefined);
    const stopped = janitor.stop();
    await clock.advance(1000);
    await stopped;
  });

  it('is left alone where livekit-server’s node is there', async () => {
    const { clock, janitor, seen, register } = await setUp();
    const foreign = 'ND_foreign' as NodeId;
    await seen.rooms.store(new Room({ name: room, departureTimeout: 1 }), internal);
    await seen.nodes.assignRoom(room, foreign);
    for (let second = 0; second < 60; second++) {
      await register(foreign);
      await clock.advance(1000);
    }
    assert.equal((await seen.rooms.list()).length, 1);
    await clock.advance(60_000);
    assert.deepEqual(await seen.rooms.list(), [], 'and goes when that is gone');
    const stopped = janitor.stop();
    await clock.advance(1000);
    await stopped;
  });
});
