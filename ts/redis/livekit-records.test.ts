/** The records of a real livekit-server, read and written by our store; `LIVEKIT_SERVER` names its binary. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { ParticipantInfo, Room } from '@livekit/protocol';
import { AgentDispatchClient, RoomAgentDispatch, RoomEgress, RoomServiceClient } from 'livekit-server-sdk';
import { encodeNode } from '../cluster/node-record.ts';
import { KeyspaceStore } from '../cluster/store.ts';
import { NO_INTERNAL } from '../cluster/testing/store-suite.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import type { RedisConnection } from './connection.ts';
import { RedisKeyspace } from './keyspace.ts';
import { openRedis } from './testing/open.ts';
import { freePort } from './testing/process.ts';
import { startRedis, type TestRedis, until } from './testing/redis.ts';

const BINARY = process.env.LIVEKIT_SERVER;
const KEY = 'devkey';
const SECRET = 'a secret of at least thirty-two bytes';

describe('records of livekit-server', { skip: BINARY === undefined && 'LIVEKIT_SERVER names no binary' }, () => {
  let redis: TestRedis;
  let connection: RedisConnection;
  let keyspace: RedisKeyspace;
  let store: KeyspaceStore;
  let server: ChildProcess;
  let rooms: RoomServiceClient;
  let dispatches: AgentDispatchClient;

  before(async () => {
    redis = await startRedis();
    const [port, tcp, udp] = [await freePort(), await freePort(), await freePort()];
    server = spawn(String(BINARY), ['--config-body', configBody(redis.address, port, tcp, udp)], { stdio: 'ignore' });
    connection = await openRedis(redis.redis);
    keyspace = new RedisKeyspace(connection);
    store = new KeyspaceStore(keyspace);
    rooms = new RoomServiceClient(`http://127.0.0.1:${port}`, KEY, SECRET);
    dispatches = new AgentDispatchClient(`http://127.0.0.1:${port}`, KEY, SECRET);
    await until(async () => Array.isArray(await rooms.listRooms()));
  });
  after(async () => {
    if (server?.exitCode === null) {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
    await connection?.close();
    await redis?.stop();
  });

  it('of a room are read, and written back to the byte', async () => {
    const name = 'theirs, with é' as RoomName;
    await rooms.createRoom({
      name,
      emptyTimeout: 77,
      departureTimeout: 33,
      maxParticipants: 5,
      metadata: '{"a":1}',
      minPlayoutDelay: 10,
      maxPlayoutDelay: 200,
      syncStreams: true,
      agents: [new RoomAgentDispatch({ agentName: 'helper', metadata: 'm' })],
      egress: new RoomEgress({ tracks: { filepath: '/recordings/{track_id}' } }),
    });
    const theirs = {
      room: await keyspace.hashGet('rooms', name),
      internal: await keyspace.hashGet('room_internal', name),
    };
    const stored = await store.rooms.load(name);
    assert.ok(stored !== undefined && theirs.internal !== undefined);
    assert.equal(stored.room.emptyTimeout, 77);
    assert.equal(stored.room.maxParticipants, 5);
    assert.equal(stored.internal.syncStreams, true);
    assert.equal(stored.internal.trackEgress?.filepath, '/recordings/{track_id}');
    assert.equal(stored.internal.agentDispatches[0]?.agentName, 'helper');
    await store.rooms.store(stored.room, stored.internal);
    assert.deepEqual(await keyspace.hashGet('rooms', name), theirs.room);
    assert.deepEqual(await keyspace.hashGet('room_internal', name), theirs.internal);
    assert.equal((await rooms.listRooms([name]))[0]?.metadata, '{"a":1}');
  });

  it('of its node and of where a room is are read, and written back to the byte', async () => {
    await rooms.createRoom({ name: 'placed' });
    const node = await store.nodes.nodeForRoom('placed' as RoomName);
    assert.ok(node !== undefined);
    assert.match(node.id, /^ND_/);
    assert.equal(node.state, 'serving');
    await until(async () => {
      const record = await keyspace.hashGet('nodes', node.id);
      const [read] = await store.nodes.list();
      return record !== undefined && read !== undefined && Buffer.compare(encodeNode(read), record) === 0;
    });
  });

  it('of dispatches are read', async () => {
    await rooms.createRoom({ name: 'with agents' });
    const made = await dispatches.createDispatch('with agents', 'helper', { metadata: 'm' });
    const list = await store.dispatches.list('with agents' as RoomName);
    assert.equal(list.find(({ id }) => id === made.id)?.metadata, 'm');
    const ours = list.find(({ id }) => id === made.id);
    const record = await keyspace.hashGet('agent_dispatch:with agents', made.id);
    assert.ok(ours !== undefined);
    await store.dispatches.store(ours);
    assert.deepEqual(await keyspace.hashGet('agent_dispatch:with agents', made.id), record);
  });

  it('that we write, it lists', async () => {
    const name = 'ours' as RoomName;
    await store.rooms.store(new Room({ name, sid: 'RM_ours', metadata: 'written by us' }), NO_INTERNAL);
    await store.participants.store(name, new ParticipantInfo({ identity: 'someone', sid: 'PA_x', name: 'Some One' }));
    const [room] = await rooms.listRooms([name]);
    assert.equal(room?.metadata, 'written by us');
    assert.equal((await rooms.listParticipants(name))[0]?.name, 'Some One');
    assert.equal((await store.participants.load(name, 'someone' as Identity))?.sid, 'PA_x');
  });

  it('wait for a lock of ours, as we wait for one of its own', async () => {
    const name = 'locked' as RoomName;
    const unlock = await store.rooms.lock(name);
    assert.match(String(await redis.command('GET', 'room_lock:locked')), /^LOCK[0-9A-Za-z]{12}$/);
    let created = false;
    const creating = rooms.createRoom({ name }).then(() => {
      created = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(created, false);
    await unlock();
    await creating;
    assert.equal(await redis.command('GET', 'room_lock:locked'), null);
    await (await store.rooms.lock(name))();
  });

  it('are gone with a room that it deletes', async () => {
    const name = 'deleted' as RoomName;
    await rooms.createRoom({ name });
    assert.ok((await store.rooms.load(name)) !== undefined);
    await rooms.deleteRoom(name);
    await until(
      async () => (await store.rooms.load(name)) === undefined && (await store.nodes.nodeForRoom(name)) === undefined,
    );
  });

  it('that we remove leave nothing behind', async () => {
    const name = 'removed' as RoomName;
    await rooms.createRoom({ name, agents: [new RoomAgentDispatch({ agentName: 'helper' })] });
    await store.rooms.remove(name);
    assert.deepEqual(await redis.command('KEYS', '*removed*'), []);
    for (const hash of ['rooms', 'room_internal', 'room_node_map']) {
      assert.equal(await keyspace.hashGet(hash, name), undefined, hash);
    }
    assert.deepEqual(await rooms.listRooms([name]), []);
  });

  it('carry the version of the encoding', async () => {
    const { noteVersion } = await import('../cluster/store-version.ts');
    const theirs = await keyspace.get('livekit_version');
    await noteVersion(keyspace);
    assert.deepEqual(await keyspace.get('livekit_version'), theirs);
  });
});

function configBody(address: string, port: number, tcp: number, udp: number): string {
  return JSON.stringify({
    port,
    bind_addresses: ['127.0.0.1'],
    keys: { [KEY]: SECRET },
    logging: { level: 'error' },
    redis: { address },
    rtc: {
      tcp_port: tcp,
      udp_port: udp,
      use_external_ip: false,
      node_ip: '127.0.0.1',
      enable_loopback_candidate: true,
    },
  });
}
