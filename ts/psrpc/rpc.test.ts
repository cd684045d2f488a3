import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Empty } from '@bufbuild/protobuf';
import {
  DeleteRoomRequest,
  DeleteRoomResponse,
  Job,
  ListParticipantsRequest,
  ListParticipantsResponse,
} from '@livekit/protocol';
import { ClaimRequest, Request } from '../gen/psrpc_pb.ts';
import { CheckEnabledRequest, CheckEnabledResponse, JobRequestResponse, KeepalivePing } from '../gen/rpc_pb.ts';
import { deferred } from '../lib/deferred.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { clientChannel, requestChannel } from './channel.ts';
import { seal, unseal, wireTime } from './envelope.ts';
import { LocalBus } from './local-bus.ts';
import { AgentInternal, IngressHandler, Keepalive, Room } from './services.ts';
import { Cast, settled } from './testing/cast.ts';

const request = new DeleteRoomRequest({ room: 'a' });

describe('a queue', () => {
  test('one of the servers answers, with what the client told it', async (t) => {
    const cast = new Cast(t);
    const calls: string[] = [];
    for (const server of [cast.server, cast.anotherServer('SRV_2')]) {
      await server.handle(Room.DeleteRoom, 'a', async ({ room }, { remoteId, metadata }) => {
        calls.push(`${room} ${remoteId} ${metadata.key}`);
        return new DeleteRoomResponse();
      });
    }
    await cast.client.call(Room.DeleteRoom, 'a', request, { metadata: { key: 'value' } });
    await settled();
    assert.deepEqual(calls, ['a CLI_1 value']);
    assert.deepEqual(cast.clientSees.events, ['client rpc DeleteRoom ok 1/0']);
    assert.deepEqual(cast.serverSees.events, [
      'received DeleteRoom',
      'claim DeleteRoom granted',
      'server rpc DeleteRoom ok 1/0',
    ]);
  });

  test('calls at the same time do not meet', async (t) => {
    const { client, server } = new Cast(t);
    await server.handle(Room.ListParticipants, 'a', async ({ room }) => {
      await settled();
      return new ListParticipantsResponse({ participants: [{ identity: room }] });
    });
    const rooms = Array.from({ length: 50 }, (_, index) => `r${index}`);
    const answers = await Promise.all(
      rooms.map((room) => client.call(Room.ListParticipants, 'a', new ListParticipantsRequest({ room }))),
    );
    assert.deepEqual(
      answers.map(({ participants }) => participants[0]?.identity),
      rooms,
    );
  });

  test('an error keeps its code, text and details', async (t) => {
    const { client, server, serverSees } = new Cast(t);
    const details = [{ typeUrl: 'type.googleapis.com/a.B', value: Uint8Array.of(1) }];
    await server.handle(Room.DeleteRoom, 'a', async () => {
      throw new RpcError('not_found', 'no such room', undefined, { details });
    });
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), {
      code: 'not_found',
      message: 'no such room',
      details,
    });
    assert.ok(serverSees.events.includes('server rpc DeleteRoom not_found 1/1'));
  });

  test('what a handler throws by mistake is internal', async (t) => {
    const { client, server } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', () => {
      throw new TypeError('oops');
    });
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), { code: 'internal', message: 'oops' });
  });

  test('an error without a text is still an error', async (t) => {
    const { client, server } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', async () => {
      throw new RpcError('aborted', '');
    });
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), { code: 'aborted', message: 'aborted' });
  });

  test('without a server the client hears so when the time for bids is over', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { client } = new Cast(t);
    const call = client.call(Room.DeleteRoom, 'a', request);
    const rejected = assert.rejects(call, { code: 'unavailable', message: 'no response from servers' });
    await settled();
    t.mock.timers.tick(1000);
    await rejected;
  });

  test('a server that is slow leaves the client with a timeout, and is told to stop', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { client, server } = new Cast(t);
    const stopped = deferred<void>();
    await server.handle(Room.DeleteRoom, 'a', async (_request, { signal }) => {
      signal.addEventListener('abort', () => stopped.resolve());
      await stopped.promise;
      return new DeleteRoomResponse();
    });
    const rejected = assert.rejects(client.call(Room.DeleteRoom, 'a', request), { code: 'deadline_exceeded' });
    await settled();
    t.mock.timers.tick(3000);
    await Promise.all([rejected, stopped.promise]);
  });

  test('a request that nobody took is made again, with more time for each attempt', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { client, bus } = new Cast(t, { maxAttempts: 3 });
    const times: bigint[] = [];
    await bus.subscribe(requestChannel(Room.DeleteRoom, 'a'), (payload) => {
      const { expiry, sentAt } = unseal(payload, Request) ?? new Request();
      times.push((expiry - sentAt) / 1_000_000n);
    });
    const rejected = assert.rejects(client.call(Room.DeleteRoom, 'a', request), { code: 'unavailable' });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settled();
      t.mock.timers.tick(1000);
    }
    await rejected;
    assert.deepEqual(times, [3000n, 5000n, 7000n]);
  });

  test('any other error ends the attempts', async (t) => {
    const { client, server } = new Cast(t, { maxAttempts: 3 });
    let calls = 0;
    await server.handle(Room.DeleteRoom, 'a', async () => {
      calls += 1;
      throw new RpcError('not_found', 'no such room');
    });
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), { code: 'not_found' });
    assert.equal(calls, 1);
  });

  test('an abort ends the call at once', async (t) => {
    const finish = deferred<DeleteRoomResponse>();
    t.after(() => finish.resolve(new DeleteRoomResponse()));
    const { client, server } = new Cast(t, { maxAttempts: 3 });
    const abort = new AbortController();
    await server.handle(Room.DeleteRoom, 'a', () => {
      abort.abort();
      return finish.promise;
    });
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request, { signal: abort.signal }), { code: 'canceled' });
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request, { signal: abort.signal }), { code: 'canceled' });
  });

  test('a bus that is away fails the call at once', async (t) => {
    const bus = new (class extends LocalBus {
      override async publish(): Promise<void> {
        throw new RpcError('unavailable', 'redis is not available');
      }
    })();
    const { client } = new Cast(t, { maxAttempts: 3 }, bus);
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), { message: 'redis is not available' });
  });

  test('a request that comes too late is not begun', async (t) => {
    const { client, server, serverSees } = new Cast(t, { now: () => Date.now() - 60_000, timeoutMs: 20 });
    await server.handle(Room.DeleteRoom, 'a', async () => assert.fail());
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), { code: 'unavailable' });
    assert.match(serverSees.events.join(), /^expired DeleteRoom (59|60)\d{3}/);
  });

  test('a handler may end its own registration, and the same can be registered again at once', async (t) => {
    const { client, server } = new Cast(t);
    const first = await server.handle(Room.DeleteRoom, 'a', async () => {
      await first.end();
      return new DeleteRoomResponse();
    });
    await assert.rejects(
      server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse()),
      { code: 'already_exists' },
    );
    await client.call(Room.DeleteRoom, 'a', request);
    await first.end();
    let again = 0;
    await server.handle(Room.DeleteRoom, 'a', async () => {
      again += 1;
      return new DeleteRoomResponse();
    });
    await client.call(Room.DeleteRoom, 'a', request);
    assert.equal(again, 1);
  });

  test('a bid that was made before the end is honoured', async (t) => {
    const { client, server, bus } = new Cast(t);
    const registration = await server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse());
    const call = client.call(Room.DeleteRoom, 'a', request);
    const bid = deferred<void>();
    await bus.subscribe(clientChannel('Room', 'CLI_1', 'CLAIM'), () => bid.resolve());
    await bid.promise;
    await registration.end();
    await call;
  });
});

describe('affinity', () => {
  test('the highest bid wins, and who bids below zero is not asked', async (t) => {
    const cast = new Cast(t);
    const bids: [string, number][] = [
      ['SRV_low', 0.2],
      ['SRV_high', 0.8],
      ['SRV_none', -1],
    ];
    for (const [id, bid] of bids) {
      await cast
        .anotherServer(id)
        .handle(
          AgentInternal.JobRequest,
          ['agent', 'room'],
          async () => new JobRequestResponse({ state: { workerId: id } }),
          { affinity: () => bid },
        );
    }
    const answer = await cast.client.call(AgentInternal.JobRequest, ['agent', 'room'], new Job(), {
      affinity: { shortCircuitMs: 100 },
    });
    assert.equal(answer.state?.workerId, 'SRV_high');
    await settled();
    assert.deepEqual(cast.serverSees.events.filter((event) => event.startsWith('claim')).sort(), [
      'claim JobRequest granted',
      'claim JobRequest lost',
    ]);
  });

  test('a bid that is high enough ends the wait', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { client, server } = new Cast(t);
    await server.handle(AgentInternal.JobRequest, ['', 'room'], async () => new JobRequestResponse());
    await client.call(AgentInternal.JobRequest, ['', 'room'], new Job(), { affinity: { maxAffinity: 1 } });
  });

  test('a server whose bid throws or is no number makes none', async (t) => {
    const cast = new Cast(t, { timeoutMs: 20 });
    for (const affinity of [() => Number.NaN, () => assert.fail('bid')]) {
      await cast.anotherServer('SRV').handle(AgentInternal.JobRequest, '', async () => new JobRequestResponse(), {
        affinity,
      });
    }
    await assert.rejects(cast.client.call(AgentInternal.JobRequest, '', new Job()), {
      message: 'no response from servers',
    });
  });
});

describe('multi', () => {
  test('all servers answer until the time is over, errors are left out', async (t) => {
    const cast = new Cast(t);
    const answers: boolean[] = [true, false];
    for (const roomEnabled of answers) {
      await cast
        .anotherServer(`SRV_${roomEnabled}`)
        .handle(AgentInternal.CheckEnabled, '', async () => new CheckEnabledResponse({ roomEnabled }));
    }
    await cast.server.handle(AgentInternal.CheckEnabled, '', async () => {
      throw new RpcError('internal', 'broken');
    });
    const heard: boolean[] = [];
    const call = cast.client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest(), { timeoutMs: 200 });
    for await (const answer of call) heard.push(answer.roomEnabled);
    assert.deepEqual(heard.sort(), [false, true]);
    assert.deepEqual(cast.clientSees.events, ['client multi CheckEnabled ok 3/1']);
  });

  test('who has heard enough stops, and later answers are for nobody', async (t) => {
    const cast = new Cast(t);
    const slow = deferred<CheckEnabledResponse>();
    await cast.server.handle(AgentInternal.CheckEnabled, '', async () => new CheckEnabledResponse());
    await cast.anotherServer('SRV_2').handle(AgentInternal.CheckEnabled, '', () => slow.promise);
    for await (const _answer of cast.client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest())) break;
    slow.resolve(new CheckEnabledResponse());
    await settled();
    assert.deepEqual(cast.clientSees.events, ['client multi CheckEnabled ok 1/0', 'dropped AgentInternal late']);
  });

  test('an abort and the end of the client reject', async (t) => {
    const { client } = new Cast(t);
    const abort = new AbortController();
    const first = client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest(), { signal: abort.signal });
    const aborted = assert.rejects(first.next(), { code: 'canceled', message: 'request canceled' });
    abort.abort();
    await aborted;
    const closed = assert.rejects(client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest()).next(), {
      code: 'canceled',
      message: 'client is closed',
    });
    await settled();
    await client.close();
    await closed;
  });
});

test('a single server is not asked before it handles', async (t) => {
  const { client, server, serverSees } = new Cast(t);
  await server.handle(IngressHandler.WHIPRTCConnectionNotify, 'p', async () => new Empty());
  await client.call(IngressHandler.WHIPRTCConnectionNotify, 'p', new IngressHandler.WHIPRTCConnectionNotify.request());
  assert.deepEqual(serverSees.events, [
    'received WHIPRTCConnectionNotify',
    'server rpc WHIPRTCConnectionNotify ok 1/0',
  ]);
});

test('all who listen hear what is published, until they end', async (t) => {
  const { client, server } = new Cast(t);
  const heard: string[] = [];
  const hear = (who: string) => (ping: KeepalivePing) => {
    heard.push(`${who} ${ping.timestamp}`);
    throw new Error('of the listener');
  };
  const first = await server.listen(Keepalive.Ping, 'ND_a', hear('first'));
  await server.listen(Keepalive.Ping, 'ND_a', hear('second'));
  await client.publish(Keepalive.Ping, 'ND_a', new KeepalivePing({ timestamp: 5n }));
  await settled();
  await first.end();
  await first.end();
  await client.publish(Keepalive.Ping, 'ND_a', new KeepalivePing({ timestamp: 6n }));
  await settled();
  assert.deepEqual(heard, ['first 5', 'second 5', 'second 6']);
});

describe('what does not belong on a channel', () => {
  test('junk is dropped and counted, and calls go on', async (t) => {
    const { client, server, bus, clientSees, serverSees } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse());
    await client.call(Room.DeleteRoom, 'a', request);
    const junk = [new Uint8Array(0), Uint8Array.of(255, 255), seal(request)];
    const channels = [
      requestChannel(Room.DeleteRoom, 'a'),
      'Room|DeleteRoom|a|RCLAIM',
      clientChannel('Room', 'CLI_1', 'RES'),
      clientChannel('Room', 'CLI_1', 'CLAIM'),
    ];
    for (const channel of channels) for (const payload of junk) await bus.publish(channel, payload);
    await client.call(Room.DeleteRoom, 'a', request);
    const dropped = (events: string[]) => events.filter((event) => event === 'dropped Room junk').length;
    assert.deepEqual([dropped(clientSees.events), dropped(serverSees.events)], [6, 6]);
  });

  test('a request that holds something else is answered as malformed', async (t) => {
    const { server, bus } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', async () => assert.fail());
    const answered = deferred<Uint8Array>();
    await bus.subscribe(clientChannel('Room', 'CLI_2', 'RES'), answered.resolve);
    const times = { sentAt: wireTime(Date.now()), expiry: 2n ** 63n - 1n };
    const broken = new Request({ requestId: 'REQ_1', clientId: 'CLI_2', ...times, rawRequest: Uint8Array.of(255) });
    await bus.publish(requestChannel(Room.DeleteRoom, 'a'), seal(broken));
    assert.match(Buffer.from(await answered.promise).toString('latin1'), /malformed_request/);
  });

  test('bids and decisions for nobody do nothing', async (t) => {
    const { client, server, bus } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse());
    await client.call(Room.DeleteRoom, 'a', request);
    const bid = new ClaimRequest({ requestId: 'REQ_none', serverId: 'SRV_2', affinity: 9 });
    await bus.publish(clientChannel('Room', 'CLI_1', 'CLAIM'), seal(bid));
    await client.call(Room.DeleteRoom, 'a', request);
  });
});

describe('the end', () => {
  test('of a client rejects its calls, once and for all', async (t) => {
    const finish = deferred<DeleteRoomResponse>();
    t.after(() => finish.resolve(new DeleteRoomResponse()));
    const { client, server } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', () => finish.promise);
    const rejected = assert.rejects(client.call(Room.DeleteRoom, 'a', request), { message: 'client is closed' });
    await settled();
    await Promise.all([client.close(), client.close()]);
    await rejected;
    await assert.rejects(client.call(Room.DeleteRoom, 'a', request), { message: 'client is closed' });
    await assert.rejects(client.publish(Keepalive.Ping, 'a', new KeepalivePing()), { message: 'client is closed' });
  });

  test('of a server waits for what runs', async (t) => {
    const { client, server } = new Cast(t);
    const finish = deferred<DeleteRoomResponse>();
    await server.handle(Room.DeleteRoom, 'a', () => finish.promise);
    const call = client.call(Room.DeleteRoom, 'a', request);
    await settled();
    const closed = server.close();
    finish.resolve(new DeleteRoomResponse());
    await Promise.all([closed, call]);
    await assert.rejects(
      server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse()),
      { message: 'server is closed' },
    );
  });

  test('of a server does not wait for clients that have not decided', async (t) => {
    const { server, bus, serverSees } = new Cast(t);
    await server.handle(Room.DeleteRoom, 'a', async () => assert.fail());
    const times = { sentAt: wireTime(Date.now()), expiry: wireTime(Date.now() + 60_000) };
    await bus.publish(requestChannel(Room.DeleteRoom, 'a'), seal(new Request({ requestId: 'REQ_1', ...times })));
    await settled();
    await server.close();
    assert.deepEqual(serverSees.events, ['received DeleteRoom', 'claim DeleteRoom lost']);
  });

  test('leaves no subscription behind', async (t) => {
    const subscribed = new Set<string>();
    const bus = new (class extends LocalBus {
      override async subscribe(channel: string, handler: (payload: Uint8Array) => void) {
        const end = await super.subscribe(channel, handler);
        subscribed.add(channel);
        return async () => {
          subscribed.delete(channel);
          await end();
        };
      }
    })();
    const { client, server } = new Cast(t, {}, bus);
    const registration = await server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse());
    await server.listen(Keepalive.Ping, 'a', () => {});
    await client.call(Room.DeleteRoom, 'a', request);
    assert.equal(subscribed.size, 5);
    await registration.end();
    assert.equal(subscribed.size, 3);
    await Promise.all([client.close(), server.close()]);
    assert.deepEqual([...subscribed], []);
  });
});
