import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  AgentDispatch,
  AgentDispatchState,
  AutoTrackEgress,
  Job,
  ParticipantInfo,
  PlayoutDelay,
  Room,
  RoomAgentDispatch,
} from '@livekit/protocol';
import type { Identity, NodeId, RoomName } from '../../lib/ids.ts';
import { RpcError } from '../../lib/rpc-error.ts';
import { noStats } from '../node-record.ts';
import type { ClusterNode, RoomInternal, Store } from '../types.ts';
import type { Opened } from './keyspace-suite.ts';

/** What the store does over every keyspace. */
export function storeBehaves(name: string, open: () => Promise<Opened<Store>>): void {
  describe(`store: ${name}`, () => {
    let opened: Opened<Store>;
    let store: Store;

    const fresh = () => `room ${randomUUID()}` as RoomName;

    before(async () => {
      opened = await open();
      store = opened.subject;
    });
    after(() => opened?.close());

    it('keeps a room and what clients do not see of it', async () => {
      const name = fresh();
      const internal: RoomInternal = {
        participantEgress: undefined,
        trackEgress: new AutoTrackEgress({ filepath: '/out' }),
        agentDispatches: [new RoomAgentDispatch({ agentName: 'a', metadata: 'm' })],
        playoutDelay: new PlayoutDelay({ enabled: true, min: 100 }),
        syncStreams: true,
      };
      assert.equal(await store.rooms.load(name), undefined);
      const room = new Room({ name, metadata: 'first', creationTimeMs: 1_700_000_000_123n });
      await store.rooms.store(room, internal);
      room.metadata = 'changed';
      const loaded = await store.rooms.load(name);
      assert.equal(loaded?.room.metadata, 'first');
      assert.equal(loaded?.room.creationTimeMs, 1_700_000_000_123n);
      assert.deepEqual(loaded?.internal, internal);
    });

    it('lists all rooms, or those of some names, once', async () => {
      const [a, b] = [fresh(), fresh()];
      await store.rooms.store(new Room({ name: a }), NO_INTERNAL);
      await store.rooms.store(new Room({ name: b }), NO_INTERNAL);
      const all = (await store.rooms.list()).map((room) => room.name);
      assert.ok(all.includes(a) && all.includes(b));
      assert.deepEqual((await store.rooms.list([b, a, b, fresh()])).map((room) => room.name).sort(), [a, b].sort());
      assert.deepEqual(await store.rooms.list([]), []);
    });

    it('removes with a room all that belongs to it', async () => {
      const name = fresh();
      const node = nodeOf('ND_1');
      await store.nodes.register(node);
      await store.nodes.assignRoom(name, node.id);
      await store.rooms.store(new Room({ name }), NO_INTERNAL);
      await store.participants.store(name, new ParticipantInfo({ identity: 'x' }));
      await store.dispatches.store(new AgentDispatch({ id: 'AD_1', room: name }));
      await store.dispatches.storeJob(new Job({ id: 'AJ_1', room: new Room({ name }) }));
      assert.equal((await store.nodes.nodeForRoom(name))?.id, node.id);
      await store.rooms.remove(name);
      await store.rooms.remove(name);
      assert.equal(await store.rooms.load(name), undefined);
      assert.deepEqual(await store.participants.list(name), []);
      assert.deepEqual(await store.dispatches.list(name), []);
      assert.deepEqual(await store.dispatches.listJobs(name), []);
      assert.equal(await store.nodes.nodeForRoom(name), undefined);
      await store.nodes.unregister(node.id);
    });

    it('finds participants by identity', async () => {
      const room = fresh();
      await store.participants.store(room, new ParticipantInfo({ identity: 'x', name: 'X' }));
      await store.participants.store(room, new ParticipantInfo({ identity: 'ý', name: 'Y' }));
      assert.equal((await store.participants.load(room, 'ý' as Identity))?.name, 'Y');
      assert.deepEqual((await store.participants.list(room)).map(({ name }) => name).sort(), ['X', 'Y']);
      await store.participants.remove(room, 'x' as Identity);
      await store.participants.remove(room, 'x' as Identity);
      assert.equal(await store.participants.load(room, 'x' as Identity), undefined);
      assert.deepEqual(await store.participants.list(fresh()), []);
    });

    it('keeps nodes and which of them has which room', async () => {
      const [one, two] = [nodeOf('ND_one'), nodeOf('ND_two')];
      const room = fresh();
      await store.nodes.register(one);
      await store.nodes.register(two);
      const nodes = await store.nodes.list();
      assert.deepEqual(
        nodes.find(({ id }) => id === one.id),
        one,
      );
      await store.nodes.assignRoom(room, two.id);
      assert.deepEqual(await store.nodes.nodeForRoom(room), two);
      await store.nodes.unregister(two.id);
      assert.equal(await store.nodes.nodeForRoom(room), undefined, 'the node is gone');
      await store.nodes.unregister(one.id);
    });

    it('keeps dispatches with their jobs, each on its own', async () => {
      const room = fresh();
      const state = new AgentDispatchState({ createdAt: 5n, jobs: [new Job({ id: 'AJ_not_kept' })] });
      await store.dispatches.store(new AgentDispatch({ id: 'AD_a', room, agentName: 'a', state }));
      await store.dispatches.store(new AgentDispatch({ id: 'AD_b', room, agentName: 'b' }));
      const participant = new ParticipantInfo({ identity: 'p', metadata: 'not kept' });
      await store.dispatches.storeJob(
        new Job({ id: 'AJ_1', dispatchId: 'AD_b', room: new Room({ name: room }), participant }),
      );
      const [a, b] = (await store.dispatches.list(room)).sort((x, y) => x.id.localeCompare(y.id));
      assert.deepEqual(a?.state?.jobs, []);
      assert.equal(a?.state?.createdAt, 5n);
      assert.deepEqual(b?.state?.jobs, [
        new Job({ id: 'AJ_1', dispatchId: 'AD_b', participant: new ParticipantInfo({ identity: 'p' }) }),
      ]);
      await store.dispatches.remove(room, 'AD_b');
      assert.equal((await store.dispatches.listJobs(room)).length, 1);
      await store.dispatches.removeJob(room, 'AJ_1');
      assert.deepEqual(await store.dispatches.listJobs(room), []);
      await assert.rejects(
        store.dispatches.storeJob(new Job({ id: 'AJ_2' })),
        (error) => error instanceof RpcError && error.code === 'invalid_argument',
      );
    });

    it('locks a room for one at a time, in the order of asking', async () => {
      const name = fresh();
      const order: string[] = [];
      const unlock = await store.rooms.lock(name);
      const later = ['second', 'third'].map((who) =>
        store.rooms.lock(name).then(async (release) => {
          order.push(who);
          await release();
        }),
      );
      const other = await store.rooms.lock(fresh());
      order.push('first');
      await unlock();
      await unlock();
      await Promise.all(later);
      await other();
      assert.deepEqual(order, ['first', 'second', 'third']);
    });
  });
}

export const NO_INTERNAL: RoomInternal = {
  participantEgress: undefined,
  trackEgress: undefined,
  agentDispatches: [],
  playoutDelay: undefined,
  syncStreams: false,
};

function nodeOf(id: string): ClusterNode {
  const stats = { ...noStats(), updatedAt: 1_700_000_000, numRooms: 3 };
  return { id: id as NodeId, ip: '192.0.2.1', region: 'eu', state: 'serving', stats };
}
