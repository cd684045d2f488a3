/** psrpc as livekit's own Go library speaks it: every kind of request in both directions, over a Redis. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Empty } from '@bufbuild/protobuf';
import {
  CreateRoomRequest,
  DeleteRoomRequest,
  DeleteRoomResponse,
  EgressInfo,
  Job,
  ListParticipantsRequest,
  ListParticipantsResponse,
  Room as LivekitRoom,
} from '@livekit/protocol';
import {
  CheckEnabledRequest,
  CheckEnabledResponse,
  GetEgressRequest,
  JobRequestResponse,
  KeepalivePing,
  RelaySignalRequest,
  RelaySignalResponse,
  WHIPRTCConnectionNotifyRequest,
} from '../../ts/gen/rpc_pb.ts';
import { deferred } from '../../ts/lib/deferred.ts';
import { RpcError } from '../../ts/lib/rpc-error.ts';
import { RpcClient } from '../../ts/psrpc/client.ts';
import { RpcServer } from '../../ts/psrpc/server.ts';
import {
  AgentInternal,
  IngressHandler,
  IOInfo,
  Keepalive,
  Room,
  RoomManager,
  Signal,
} from '../../ts/psrpc/services.ts';
import { RedisBus } from '../../ts/redis/bus.ts';
import type { RedisConnection } from '../../ts/redis/connection.ts';
import { openRedis } from '../../ts/redis/testing/open.ts';
import { startRedis, type TestRedis, until } from '../../ts/redis/testing/redis.ts';
import { buildPeer, Peer } from './psrpc/peer.ts';

const built = buildPeer();
const silent = { debug() {}, warn() {} };
const NODE = 'ND_ts';

describe('psrpc with the Go library', { skip: 'missing' in built ? built.missing : false }, () => {
  let redis: TestRedis;
  let connection: RedisConnection;
  let bus: RedisBus;
  let peer: Peer;
  let client: RpcClient;
  let server: RpcServer;

  before(async () => {
    redis = await startRedis();
    connection = await openRedis(redis.redis);
    bus = new RedisBus(connection);
    await until(() => bus.up);
    peer = await Peer.start('program' in built ? built.program : '', redis.address);
  });

  after(async () => {
    await peer.stop();
    await bus.close();
    await connection.close();
    await redis.stop();
  });

  describe('we call', () => {
    before(() => {
      client = new RpcClient(bus, { id: 'CLI_ts', log: silent, timeoutMs: 2000 });
    });

    after(() => client.close());

    test('a queue, whose topic has every sort of character: one of two servers answers', async () => {
      const request = new ListParticipantsRequest({ room: 'what we asked' });
      const options = { metadata: { key: 'of ours' } };
      const { participants } = await client.call(Room.ListParticipants, 'go room|ü', request, options);
      const [{ identity, name, metadata } = {}] = participants;
      assert.deepEqual([identity, name, metadata], ['what we asked', 'CLI_ts', 'of ours']);
    });

    test('many at once', async () => {
      const asked = Array.from({ length: 200 }, (_, index) => `room ${index}`);
      const answers = await Promise.all(
        asked.map((room) => client.call(Room.ListParticipants, 'go room|ü', new ListParticipantsRequest({ room }))),
      );
      assert.deepEqual(
        answers.map(({ participants }) => participants[0]?.identity),
        asked,
      );
    });

    test('a node', async () => {
      const request = new CreateRoomRequest({ name: 'new', emptyTimeout: 5 });
      const { sid, name, emptyTimeout } = await client.call(RoomManager.CreateRoom, 'ND_go', request);
      assert.deepEqual([sid, name, emptyTimeout], ['RM_go', 'new', 5]);
    });

    test('a service without a topic', async () => {
      const egress = await client.call(IOInfo.GetEgress, '', new GetEgressRequest({ egressId: 'EG_1' }));
      assert.deepEqual([egress.egressId, egress.roomName], ['EG_1', 'go']);
    });

    test('servers that bid, and the best wins', async () => {
      for (const topic of [
        ['', 'room'],
        ['go-agent', 'publisher'],
      ]) {
        const { state } = await client.call(AgentInternal.JobRequest, topic, new Job({ id: 'AJ_1' }));
        assert.deepEqual([state?.workerId, state?.participantIdentity], ['fast', 'AJ_1']);
      }
    });

    test('all servers, of which one fails', async () => {
      const enabled: boolean[] = [];
      const call = client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest(), { timeoutMs: 500 });
      for await (const { roomEnabled, namespaces } of call) {
        assert.deepEqual(namespaces, ['go']);
        enabled.push(roomEnabled);
      }
      assert.deepEqual(enabled.sort(), [false, true]);
    });

    test('a single server, once', async () => {
      const request = new WHIPRTCConnectionNotifyRequest({ participantId: 'PA_1' });
      await client.call(IngressHandler.WHIPRTCConnectionNotify, 'go_participant', request);
      assert.equal(await peer.event('notified'), 'PA_1');
      assert.equal(peer.untold('notified'), 0);
    });

    test('and publish to those who listen', async () => {
      await client.publish(Keepalive.Ping, 'ND_go', new KeepalivePing({ timestamp: 42n }));
      await client.publish(AgentInternal.WorkerRegistered, '', new Empty());
      assert.equal(await peer.event('ping'), 42);
      await peer.event('workerRegistered');
    });

    test('and hear errors with code, text and details', async () => {
      const fails = (room: string, expected: object) =>
        assert.rejects(client.call(Room.DeleteRoom, 'go', new DeleteRoomRequest({ room })), expected);
      const detail = {
        typeUrl: 'type.googleapis.com/livekit.Room',
        value: new LivekitRoom({ name: 'missing' }).toBinary(),
      };
      await fails('missing', { code: 'not_found', message: 'no such room', details: [detail] });
      await fails('upstream', { code: 'upstream_server_error', message: 'the far side failed' });
      await fails('plain', { code: 'unknown', message: 'not a psrpc error' });
    });

    test('and give up on a slow server, or where there is none', async () => {
      const slow = client.call(Room.DeleteRoom, 'go', new DeleteRoomRequest({ room: 'slow' }), {
        timeoutMs: 200,
        maxAttempts: 1,
      });
      await assert.rejects(slow, { code: 'deadline_exceeded' });
      const nobody = client.call(Room.DeleteRoom, 'nowhere', new DeleteRoomRequest(), { maxAttempts: 1 });
      await assert.rejects(nobody, { code: 'unavailable', message: 'no response from servers' });
    });

    test('and try again with more time until a slow server is in time', async () => {
      const options = { timeoutMs: 300, backoffMs: 300, maxAttempts: 3 };
      await client.call(Room.DeleteRoom, 'go', new DeleteRoomRequest({ room: 'slow' }), options);
    });

    test('and nobody begins what comes after its end', async () => {
      const late = new RpcClient(bus, { log: silent, now: () => Date.now() - 60_000, maxAttempts: 1 });
      await assert.rejects(late.call(RoomManager.CreateRoom, 'ND_go', new CreateRoomRequest()), {
        code: 'unavailable',
      });
      await late.close();
    });

    test('and stream both ways until they close', async () => {
      const stream = await client.openStream(Signal.RelaySignal, 'ND_go', { metadata: { key: 'of ours' } });
      assert.equal(await peer.event('stream'), 'CLI_ts of ours');
      const back: bigint[] = [];
      const closed = new Promise<RpcError | undefined>((resolve) =>
        stream.listen((message) => void back.push(message.seq), resolve),
      );
      const sent = Array.from({ length: 100 }, (_, index) => BigInt(index));
      for (const seq of sent) await stream.send(new RelaySignalRequest({ seq }));
      await stream.send(new RelaySignalRequest({ close: true }));
      const error = await closed;
      assert.deepEqual([error?.code, error?.message], ['not_found', 'the room is gone']);
      assert.deepEqual(back, sent);
      await assert.rejects(stream.send(new RelaySignalRequest()), { code: 'not_found' });
    });

    test('and stream until we close', async () => {
      const stream = await client.openStream(Signal.RelaySignal, 'ND_go');
      await peer.event('stream');
      // Its answer has to be here first: the Go side would otherwise find the stream closed while it sends.
      const answered = new Promise<bigint>((resolve) =>
        stream.listen(
          ({ seq }) => resolve(seq),
          () => {},
        ),
      );
      await stream.send(new RelaySignalRequest({ seq: 1n }));
      assert.equal(await answered, 1n);
      stream.close();
      assert.equal(await peer.event('streamEnd'), 'stream closed');
      await assert.rejects(client.openStream(Signal.RelaySignal, 'ND_none', { timeoutMs: 200 }), {
        code: 'deadline_exceeded',
      });
    });
  });

  describe('we serve', () => {
    const servers: RpcServer[] = [];
    let slow = 0;

    before(async () => {
      server = newServer(NODE);
      for (const one of [server, newServer('SRV_another')]) {
        await one.handle(Room.ListParticipants, 'ts room|ü', async ({ room }, { remoteId, metadata }) => {
          const identity = [room, remoteId, metadata.key].join(', ');
          return new ListParticipantsResponse({ participants: [{ identity }] });
        });
      }
      await server.handle(Room.DeleteRoom, 'ts', async ({ room }) => {
        const details = [{ typeUrl: 'type.googleapis.com/livekit.Room', value: new Uint8Array(0) }];
        if (room === 'missing') throw new RpcError('not_found', 'no such room', undefined, { details });
        if (room === 'broken') throw new TypeError('not an RpcError');
        slow += 1;
        if (room === 'slow') await new Promise((resolve) => setTimeout(resolve, 450));
        return new DeleteRoomResponse();
      });
      await server.handle(RoomManager.CreateRoom, NODE, async ({ name }) => new LivekitRoom({ sid: 'RM_ts', name }));
    });

    after(() => Promise.all(servers.map((one) => one.close())));

    test('a queue: one of two servers answers, and knows who asks', async () => {
      const call = { method: 'ListParticipants', topic: 'ts room|ü', text: 'r' };
      assert.deepEqual(await peer.call(call), { value: 'r, CLI_go, of go' });
      const many = await Promise.all(
        Array.from({ length: 100 }, (_, index) => peer.call({ ...call, text: `${index}` })),
      );
      assert.deepEqual(
        many.map(({ value }) => value),
        many.map((_, index) => `${index}, CLI_go, of go`),
      );
    });

    test('a node', async () => {
      assert.deepEqual(await peer.call({ method: 'CreateRoom', topic: NODE, text: 'n' }), { value: 'RM_ts' });
    });

    test('a service without a topic, beside a server in Go', async () => {
      let ours = 0;
      await server.handle(IOInfo.GetEgress, '', async ({ egressId }) => {
        ours += 1;
        return new EgressInfo({ egressId, roomName: 'ts' });
      });
      const asked = 40;
      const answers = await Promise.all(
        Array.from({ length: asked }, () => peer.call({ method: 'GetEgress', text: 'e' })),
      );
      const counted = (room: string) => answers.filter(({ value }) => value === room).length;
      assert.equal(counted('go') + counted('ts'), asked);
      // What one server has claimed no other begins.
      assert.equal(ours, counted('ts'));
    });

    test('bids: the best wins, of whichever language', async () => {
      const bids: Record<string, number> = { low: 0.2, high: 0.95, none: -1 };
      for (const [workerId, bid] of Object.entries(bids)) {
        const handler = async () => new JobRequestResponse({ state: { workerId } });
        await newServer(workerId).handle(AgentInternal.JobRequest, ['', 'room'], handler, { affinity: () => bid });
      }
      assert.deepEqual(await peer.call({ method: 'JobRequest', topic: '', text: 'AJ_1' }), { value: 'high' });
    });

    test('all servers answer', async () => {
      const handler = async () => new CheckEnabledResponse({ namespaces: ['ts'] });
      await server.handle(AgentInternal.CheckEnabled, '', handler);
      const { value } = await peer.call({ method: 'CheckEnabled' });
      assert.deepEqual(value, { '[go]': 2, '[ts]': 1, broken: 1 });
    });

    test('a single server', async () => {
      const heard: string[] = [];
      await server.handle(IngressHandler.WHIPRTCConnectionNotify, 'ts_participant', async ({ participantId }) => {
        heard.push(participantId);
        return new Empty();
      });
      const call = { method: 'WHIPRTCConnectionNotify', topic: 'ts_participant', text: 'PA_2' };
      assert.deepEqual(await peer.call(call), { value: 'notified' });
      assert.deepEqual(heard, ['PA_2']);
    });

    test('and listen to what is published', async () => {
      const heard = deferred<bigint>();
      await server.listen(Keepalive.Ping, NODE, ({ timestamp }) => heard.resolve(timestamp));
      await peer.call({ method: 'Ping', topic: NODE, number: 43 });
      assert.equal(await heard.promise, 43n);
    });

    test('errors go out with code, text and details', async () => {
      const call = { method: 'DeleteRoom', topic: 'ts' };
      assert.deepEqual(await peer.call({ ...call, text: 'missing' }), {
        code: 'not_found',
        message: 'no such room',
        details: 1,
      });
      assert.deepEqual(await peer.call({ ...call, text: 'broken' }), { code: 'internal', message: 'not an RpcError' });
    });

    test('requests that are made again while we are slow', async () => {
      slow = 0;
      assert.deepEqual(await peer.call({ method: 'DeleteRoomRetrying', topic: 'ts', text: 'slow' }), {
        value: 'deleted',
      });
      assert.equal(slow, 2);
    });

    test('nothing whose end has passed', async () => {
      const late = newServer('SRV_late', () => Date.now() + 60_000);
      await late.handle(Room.DeleteRoom, 'late', () => assert.fail());
      const { code, message } = await peer.call({ method: 'DeleteRoom', topic: 'late' });
      assert.deepEqual([code, message], ['unavailable', 'no response from servers']);
    });

    test('streams, until either side closes', async () => {
      const ends: (RpcError | undefined)[] = [];
      await server.handleStream(Signal.RelaySignal, NODE, (stream) => {
        assert.deepEqual([stream.remoteId, stream.metadata.key], ['CLI_go', 'of go']);
        stream.listen(
          ({ seq, close }) => {
            if (close) stream.close(new RpcError('permission_denied', 'the room is closed'));
            else void stream.send(new RelaySignalResponse({ seq }));
          },
          (error) => ends.push(error),
        );
      });
      const call = { method: 'RelaySignal', topic: NODE, number: 20 };
      const numbers = Array.from({ length: 20 }, (_, index) => index);
      assert.deepEqual(await peer.call({ ...call, text: 'close' }), { value: numbers });
      assert.deepEqual(await peer.call(call), { code: 'permission_denied', message: 'the room is closed' });
      assert.deepEqual(
        ends.map((error) => error?.code),
        [undefined, 'permission_denied'],
      );
    });

    test('a stream that we close by stopping', async () => {
      const stopping = newServer('ND_stopping');
      await stopping.handleStream(Signal.RelaySignal, 'ND_stopping', (stream) => {
        stream.listen(
          () => {
            stopping.close().catch(assert.ifError);
          },
          () => {},
        );
      });
      const { code, message } = await peer.call({ method: 'RelaySignal', topic: 'ND_stopping', number: 0 });
      assert.deepEqual([code, message], ['unavailable', 'EOF']);
    });

    function newServer(id: string, now = () => Date.now()): RpcServer {
      const one = new RpcServer(bus, { id, log: silent, now });
      servers.push(one);
      return one;
    }
  });
});
