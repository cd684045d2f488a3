import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Stream as WireStream } from '../gen/psrpc_pb.ts';
import { RelaySignalRequest, RelaySignalResponse } from '../gen/rpc_pb.ts';
import { deferred } from '../lib/deferred.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { clientChannel, streamChannel } from './channel.ts';
import { seal, unseal, wireTime } from './envelope.ts';
import { LocalBus } from './local-bus.ts';
import { Signal } from './services.ts';
import type { RpcStream } from './stream.ts';
import { Cast, settled } from './testing/cast.ts';

type Ours = RpcStream<RelaySignalRequest, RelaySignalResponse>;
type Theirs = RpcStream<RelaySignalResponse, RelaySignalRequest>;

const message = (seq: number) => new RelaySignalRequest({ seq: BigInt(seq) });
const answer = (seq: number) => new RelaySignalResponse({ seq: BigInt(seq) });

async function opened(t: TestContext, cast = new Cast(t)): Promise<{ cast: Cast; ours: Ours; theirs: Theirs }> {
  const taken = deferred<Theirs>();
  await cast.server.handleStream(Signal.RelaySignal, 'ND_a', taken.resolve);
  const ours = await cast.client.openStream(Signal.RelaySignal, 'ND_a', { metadata: { key: 'value' } });
  return { cast, ours, theirs: await taken.promise };
}

/** What a stream says, as words. */
function heardBy(stream: { listen: Ours['listen'] } | { listen: Theirs['listen'] }): string[] {
  const heard: string[] = [];
  const onMessage = ({ seq }: { seq: bigint }) => {
    heard.push(`${seq}`);
  };
  stream.listen(onMessage, (error) => heard.push(error === undefined ? 'closed' : `${error.code}: ${error.message}`));
  return heard;
}

test('messages go both ways in order, each acknowledged', async (t) => {
  const { cast, ours, theirs } = await opened(t);
  const [here, there] = [heardBy(ours), heardBy(theirs)];
  await Promise.all([ours.send(message(1)), ours.send(message(2)), theirs.send(answer(3))]);
  await ours.send(message(4));
  assert.deepEqual(there, ['1', '2', '4']);
  assert.deepEqual(here, ['3']);
  assert.deepEqual([theirs.metadata, theirs.remoteId], [{ key: 'value' }, 'CLI_1']);
  assert.deepEqual(cast.serverSees.events.slice(0, 3), ['server opened', 'server received 2', 'server received 2']);
  assert.ok(cast.clientSees.events.includes('client sent 2 ok'));
});

test('messages that came before anybody listened are kept', async (t) => {
  const { ours, theirs } = await opened(t);
  await ours.send(message(1));
  await ours.send(message(2));
  ours.close();
  await settled();
  assert.deepEqual(heardBy(theirs), ['1', '2', 'closed']);
});

test('more than is kept is not acknowledged', async (t) => {
  const { cast, ours, theirs } = await opened(t, new Cast(t, { timeoutMs: 30_000 }));
  await Promise.all(Array.from({ length: 1000 }, (_, seq) => ours.send(message(seq))));
  await assert.rejects(ours.send(message(1000), 50), { code: 'deadline_exceeded' });
  assert.ok(cast.serverSees.events.includes('dropped Signal overflow'));
  assert.equal(heardBy(theirs).length, 1000);
  await ours.send(message(1));
});

test('either side closes, with a code or without, and both hear it once', async (t) => {
  const { ours, theirs } = await opened(t);
  const [here, there] = [heardBy(ours), heardBy(theirs)];
  theirs.close(new RpcError('not_found', 'no such room'));
  theirs.close();
  await settled();
  ours.close();
  assert.deepEqual([here, there], [['not_found: no such room'], ['not_found: no such room']]);
  await assert.rejects(ours.send(message(1)), { code: 'not_found' });
  await assert.rejects(theirs.send(answer(1)), { code: 'not_found' });
});

test('a plain end is no error', async (t) => {
  const { cast, ours, theirs } = await opened(t);
  const [here, there] = [heardBy(ours), heardBy(theirs)];
  ours.close();
  await settled();
  assert.deepEqual([here, there], [['closed'], ['closed']]);
  await assert.rejects(ours.send(message(1)), { code: 'canceled', message: 'stream closed' });
  assert.ok(cast.clientSees.events.includes('client closed'));
  assert.ok(cast.serverSees.events.includes('server closed'));
});

test('what was sent before a close is still acknowledged', async (t) => {
  const { ours, theirs } = await opened(t);
  const there = heardBy(theirs);
  const sent = ours.send(message(1));
  ours.close();
  await sent;
  await settled();
  assert.deepEqual(there, ['1', 'closed']);
});

test('a message that is never acknowledged rejects after the timeout', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { cast, ours } = await opened(t);
  await cast.bus.close();
  await assert.rejects(ours.send(message(1)), { code: 'unavailable' });
  const deaf = await opened(t);
  const quiet = new (class extends LocalBus {
    override async publish(): Promise<void> {}
  })();
  deaf.cast.bus.publish = quiet.publish;
  const rejected = assert.rejects(deaf.ours.send(message(1)), { code: 'deadline_exceeded' });
  t.mock.timers.tick(3000);
  await rejected;
});

test('a message may have less time than others', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { cast, ours } = await opened(t);
  cast.bus.publish = async () => {};
  const rejected = assert.rejects(ours.send(message(1), 100), { code: 'deadline_exceeded' });
  t.mock.timers.tick(100);
  await rejected;
});

test('a stream that ends rejects what waits for its ack', async (t) => {
  const { cast, ours } = await opened(t);
  const rejected = assert.rejects(ours.send(message(1)), { code: 'unavailable', message: 'the node is gone' });
  const here = heardBy(ours);
  ours.close(new RpcError('unavailable', 'the node is gone'));
  await rejected;
  assert.deepEqual(here, ['unavailable: the node is gone']);
  assert.ok(cast.clientSees.events.includes('client sent 2 unavailable'));
});

test('a stream that nobody takes rejects after the timeout, or when it is aborted', async (t) => {
  const { client } = new Cast(t);
  await assert.rejects(client.openStream(Signal.RelaySignal, 'ND_none', { timeoutMs: 20 }), {
    code: 'deadline_exceeded',
  });
  const abort = new AbortController();
  const opening = client.openStream(Signal.RelaySignal, 'ND_none', { signal: abort.signal });
  const rejected = assert.rejects(opening, { code: 'canceled' });
  await settled();
  abort.abort();
  await rejected;
});

test('a handler that throws closes the stream', async (t) => {
  const { client, server } = new Cast(t);
  await server.handleStream(Signal.RelaySignal, 'ND_a', () => {
    throw new RpcError('permission_denied', 'no');
  });
  const stream = await client.openStream(Signal.RelaySignal, 'ND_a');
  const heard = heardBy(stream);
  await settled();
  assert.deepEqual(heard, ['permission_denied: no']);
});

test('a listener that throws hears the next message all the same', async (t) => {
  const { ours, theirs } = await opened(t);
  const heard: bigint[] = [];
  theirs.listen(
    ({ seq }) => {
      heard.push(seq);
      throw new Error('of the listener');
    },
    () => {
      throw new Error('of the listener');
    },
  );
  await ours.send(message(1));
  await ours.send(message(2));
  ours.close();
  await settled();
  assert.deepEqual(heard, [1n, 2n]);
});

test('a registration that ends keeps the streams that are open, and takes no more', async (t) => {
  const { client, server } = new Cast(t);
  const taken = deferred<Theirs>();
  const registration = await server.handleStream(Signal.RelaySignal, 'ND_a', taken.resolve);
  const ours = await client.openStream(Signal.RelaySignal, 'ND_a');
  await registration.end();
  const there = heardBy(await taken.promise);
  await ours.send(message(1));
  const another = client.openStream(Signal.RelaySignal, 'ND_a', { timeoutMs: 20 });
  await assert.rejects(another, { code: 'deadline_exceeded' });
  ours.close();
  await settled();
  assert.deepEqual(there, ['1', 'closed']);
});

test('a server or client that ends closes its streams', async (t) => {
  const first = await opened(t);
  const here = heardBy(first.ours);
  await first.cast.server.close();
  await settled();
  assert.deepEqual(here, ['unavailable: EOF']);
  const second = await opened(t);
  const there = heardBy(second.theirs);
  await second.cast.client.close();
  await settled();
  assert.deepEqual(there, ['closed']);
});

test('an unreadable message closes the stream, and junk beside it does not', async (t) => {
  const { cast, ours, theirs } = await opened(t);
  const here = heardBy(ours);
  const times = { sentAt: wireTime(Date.now()), expiry: wireTime(Date.now() + 1000) };
  const toServer = streamChannel(Signal.RelaySignal, 'ND_a');
  let streamId = '';
  await cast.bus.subscribe(toServer, (payload) => {
    streamId = unseal(payload, WireStream)?.streamId ?? streamId;
  });
  await ours.send(message(1));
  const junk = [
    Uint8Array.of(1, 2, 3),
    seal(new WireStream({ streamId, ...times })),
    seal(new WireStream({ streamId: 'STR_none', ...times, body: { case: 'ack', value: {} } })),
    seal(new WireStream({ streamId, expiry: 1n, body: { case: 'close', value: {} } })),
  ];
  for (const payload of junk) {
    await cast.bus.publish(toServer, payload);
    await cast.bus.publish(clientChannel('Signal', 'CLI_1', 'STR'), payload);
  }
  await settled();
  await theirs.send(answer(2));
  const broken = { case: 'message', value: { rawMessage: Uint8Array.of(255) } } as const;
  await cast.bus.publish(toServer, seal(new WireStream({ streamId, ...times, body: broken })));
  await settled();
  assert.deepEqual(here, ['2', 'malformed_request: not a rpc.RelaySignalRequest']);
});
