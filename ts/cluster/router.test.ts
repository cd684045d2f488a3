import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeId, RoomName } from '../lib/ids.ts';
import { LocalKeyspace } from './local-keyspace.ts';
import { ClusterMembers } from './members.ts';
import { noStats } from './node-record.ts';
import type { Owner } from './owners.ts';
import { ClusterRouter } from './router.ts';
import { NodeSelector } from './select/selector.ts';
import { KeyspaceStore } from './store.ts';
import type { NodeState, NodeStats } from './types.ts';

const room = 'r' as RoomName;
const self = 'ND_self' as NodeId;
const other = 'ND_other' as NodeId;
const now = new Date('2026-01-01T00:00:00Z');
const seconds = now.getTime() / 1000;

/** Nodes with leases are known to the watch; what it does not know is livekit-server's. */
async function setUp(standing: Record<string, 'alive' | 'missing'> = { [other]: 'alive' }) {
  const store = new KeyspaceStore(new LocalKeyspace());
  const hosted = new Set<RoomName>();
  const owners = new Map<RoomName, Owner>();
  const watch = { standing: (node: NodeId) => standing[node] ?? 'unknown', onGone: () => () => {} };
  const members = new ClusterMembers({
    self,
    directory: store.nodes,
    // Only these two are asked.
    watch: watch as unknown as ConstructorParameters<typeof ClusterMembers>[0]['watch'],
    now: () => now,
  });
  const selector = new NodeSelector(
    { kind: 'any', sortBy: 'rooms', algorithm: 'lowest', cpuLoadLimit: 1, sysloadLimit: 1, regions: [], region: '' },
    () => 0,
  );
  const router = new ClusterRouter<string>({
    self,
    local: 'here',
    remoteHost: (node) => `at ${node}`,
    isHostedHere: (name) => hosted.has(name),
    store,
    owners: { ownerOf: async (name) => owners.get(name) },
    members,
    selector,
    limits: { numTracks: 100, bytesPerSec: 0 },
  });
  const register = (id: NodeId, stats: Partial<NodeStats> = {}, state: NodeState = 'serving') =>
    store.nodes.register({ id, ip: '', region: '', state, stats: { ...noStats(), updatedAt: seconds, ...stats } });
  return { store, hosted, owners, router, register };
}

describe('a room’s node', () => {
  it('is this one where the room runs, whatever the store says', async () => {
    const { hosted, router } = await setUp();
    hosted.add(room);
    assert.equal(await router.hostForRoom(room), 'here');
  });

  it('is selected, and told to all, where there is none', async () => {
    const { store, router, register } = await setUp();
    await register(self, { numRooms: 5 });
    await register(other, { numRooms: 1 });
    assert.equal(await router.hostForRoom(room), `at ${other}`);
    assert.equal((await store.nodes.nodeForRoom(room))?.id, other);
  });

  it('is the one that was asked for', async () => {
    const { router, register } = await setUp();
    await register(self, { numRooms: 5 });
    await register(other);
    assert.equal(await router.hostForRoom(room, self), 'here');
  });

  it('stays while its owner is there, draining or with a clock of its own', async () => {
    const { owners, router, register } = await setUp();
    await register(self);
    await register(other, { updatedAt: seconds - 300 }, 'shuttingDown');
    owners.set(room, { node: other, epoch: 1 });
    assert.equal(await router.hostForRoom(room), `at ${other}`);
  });

  it('stays with an owner whose record was lost and who is there by its lease', async () => {
    const { owners, router, register } = await setUp();
    await register(self);
    owners.set(room, { node: other, epoch: 1 });
    assert.equal(await router.hostForRoom(room), `at ${other}`);
  });

  it('is another where a draining one has not begun with it', async () => {
    const { store, router, register } = await setUp();
    await register(self);
    await register(other, {}, 'shuttingDown');
    await store.nodes.assignRoom(room, other);
    assert.equal(await router.hostForRoom(room), 'here');
  });

  it('is another where its own is dead', async () => {
    const { owners, router, register } = await setUp({ [other]: 'missing' });
    await register(self);
    await register(other);
    owners.set(room, { node: other, epoch: 1 });
    assert.equal(await router.hostForRoom(room), 'here');
  });

  it('may be livekit-server’s, while its record is fresh', async () => {
    const { store, router, register } = await setUp({});
    await register(self);
    await register(other, { updatedAt: seconds - 4 }, 'shuttingDown');
    await store.nodes.assignRoom(room, other);
    assert.equal(await router.hostForRoom(room), `at ${other}`);
    await register(other, { updatedAt: seconds - 5 });
    assert.equal(await router.hostForRoom(room), 'here');
  });

  it('may be full, and then the room is not moved', async () => {
    const { owners, router, register } = await setUp();
    await register(self);
    await register(other, { numTracksOut: 100 });
    owners.set(room, { node: other, epoch: 1 });
    await assert.rejects(router.hostForRoom(room), {
      code: 'unavailable',
      message: 'reached configured limit for node',
    });
  });

  it('is none where nobody takes new rooms', async () => {
    const { router, register } = await setUp();
    await register(self, {}, 'shuttingDown');
    await assert.rejects(router.hostForRoom(room), { message: 'could not find any available nodes' });
  });
});
