import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { NodeId, RoomName } from '../lib/ids.ts';
import { LocalBus } from '../psrpc/local-bus.ts';
import { LocalKeyspace } from './local-keyspace.ts';
import { LocalRouter } from './local-router.ts';
import { LocalNode } from './node.ts';
import { KeyspaceStore } from './store.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('node', () => {
  const setUp = (t: TestContext) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 });
    const store = new KeyspaceStore(new LocalKeyspace());
    const bus = new LocalBus();
    const node = new LocalNode({
      id: 'ND_x' as NodeId,
      ip: '192.0.2.1',
      region: 'eu',
      directory: store.nodes,
      bus,
      load: () => ({ rooms: 1, clients: 2, tracksIn: 3, tracksOut: 4 }),
      now: () => new Date(),
      onError: () => {},
      interval: 2000,
      maxDelay: 30_000,
    });
    return { store, bus, node };
  };

  it('keeps its record fresh while the bus works', async (t) => {
    const { store, bus, node } = setUp(t);
    await node.start();
    const [record] = await store.nodes.list();
    assert.equal(record?.state, 'serving');
    assert.equal(record?.stats.numTracksOut, 4);
    t.mock.timers.tick(2000);
    await turn();
    assert.equal(node.updatedAt, 1002);
    await bus.close();
    t.mock.timers.tick(6000);
    await turn();
    assert.equal(node.updatedAt, 1002);
    await node.stop();
    assert.deepEqual(await store.nodes.list(), []);
  });

  it('says when it takes no new rooms', async (t) => {
    const { store, node } = setUp(t);
    await node.start();
    await node.drain();
    t.mock.timers.tick(2000);
    await turn();
    assert.equal((await store.nodes.list())[0]?.state, 'shuttingDown');
    await node.stop();
    await node.stop();
  });

  it('hosts every room', async (t) => {
    const { store, node } = setUp(t);
    await node.start();
    const router = new LocalRouter('host', node.id, store.nodes);
    assert.equal(await router.hostForRoom('r' as RoomName), 'host');
    assert.equal((await store.nodes.nodeForRoom('r' as RoomName))?.id, 'ND_x');
    await node.stop();
  });
});
