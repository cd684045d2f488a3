import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { NodeId } from '../lib/ids.ts';
import { RpcClient } from '../psrpc/client.ts';
import { LocalBus } from '../psrpc/local-bus.ts';
import { RpcServer } from '../psrpc/server.ts';
import { VirtualClock } from '../room/testing/virtual-clock.ts';
import { LocalKeyspace } from './local-keyspace.ts';
import { LocalNode } from './node.ts';
import { decodeNode, encodeNode, noStats } from './node-record.ts';
import { KeyspaceStore } from './store.ts';
import { SystemLoad } from './system-load.ts';
import type { NodeDirectory } from './types.ts';

const log = pino({ level: 'silent' });

function setUp(directory?: NodeDirectory) {
  const clock = new VirtualClock();
  const bus = new LocalBus();
  const { nodes } = new KeyspaceStore(new LocalKeyspace());
  const counted = { bytesIn: 0, numTracksOut: 4 };
  const node = new LocalNode({
    id: 'ND_x' as NodeId,
    ip: '192.0.2.1',
    region: 'eu',
    directory: directory ?? nodes,
    client: new RpcClient(bus, { log, now: clock.now }),
    server: new RpcServer(bus, { id: 'ND_x', log, now: clock.now }),
    load: async () => ({ ...counted }),
    system: new SystemLoad('/nowhere'),
    now: () => new Date(clock.now()),
    clock,
    onError: () => {},
    interval: 2000,
    maxDelay: 30_000,
    rateIntervals: [10_000],
  });
  return { clock, bus, nodes, node, counted };
}

describe('node', () => {
  it('tells its figures and rates anew each interval', async () => {
    const { clock, nodes, node, counted } = setUp();
    await node.start();
    const began = Math.floor(clock.now() / 1000);
    for (let turn = 1; turn <= 5; turn++) {
      counted.bytesIn += 2000;
      await clock.advance(2000);
    }
    const [record] = await nodes.list();
    assert.deepEqual([record?.state, record?.region, record?.stats.numTracksOut], ['serving', 'eu', 4]);
    assert.equal(record?.stats.updatedAt, began + 10);
    assert.equal(record?.stats.rates[0]?.bytesIn, 1000);
    assert.equal(record?.stats.rates[0]?.duration, 10);
    await node.stop();
    assert.deepEqual(await nodes.list(), []);
    assert.equal(clock.pending, 0);
  });

  it('stays in the directory when the bus fails', async () => {
    const { clock, bus, nodes, node } = setUp();
    await node.start();
    await bus.close();
    const before = (await nodes.list())[0]?.stats.updatedAt ?? 0;
    await clock.advance(8000);
    assert.ok(((await nodes.list())[0]?.stats.updatedAt ?? 0) >= before + 6);
    await node.stop();
  });

  it('is well while its own clock runs, with or without a store', async () => {
    const away = async () => {
      throw new Error('redis is away');
    };
    const { clock, node } = setUp({
      register: away,
      unregister: away,
      list: away,
      nodeForRoom: away,
      assignRoom: away,
    });
    await node.start();
    await clock.advance(60_000);
    assert.ok(node.age <= 2000);
    await node.stop();
  });

  it('says when it takes no new rooms, and when it does again', async () => {
    const { clock, nodes, node } = setUp();
    await node.start();
    await node.setState('shuttingDown');
    await clock.advance(2000);
    assert.equal((await nodes.list())[0]?.state, 'shuttingDown');
    await node.setState('serving');
    assert.equal((await nodes.list())[0]?.state, 'serving');
    await node.stop();
    await node.stop();
  });
});

describe('a record', () => {
  it('comes back as it was written', () => {
    const stats = { ...noStats(), bytesIn: 2 ** 40, cpuLoad: 0.5, numRooms: 3, sysPacketsOut: 7, rates: [] };
    const node = { id: 'ND_a' as NodeId, ip: '192.0.2.1', region: 'eu', state: 'suspended' as const, stats };
    assert.deepEqual(decodeNode(encodeNode(node)), node);
  });

  it('that is none is left out', () => {
    assert.equal(decodeNode(new Uint8Array([0xff, 0xff])), undefined);
  });
});
