import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeleteRoomRequest, DeleteRoomResponse, Job } from '@livekit/protocol';
import {
  CheckEnabledRequest,
  CheckEnabledResponse,
  JobRequestResponse,
  KeepalivePing,
  RelaySignalRequest,
  RelaySignalResponse,
} from '../gen/rpc_pb.ts';
import type { BusHandler } from './bus.ts';
import { LocalBus } from './local-bus.ts';
import { AgentInternal, Keepalive, Room, Signal } from './services.ts';
import { Cast, settled } from './testing/cast.ts';
import { mutated, sequence } from './testing/mutations.ts';

/** Remembers who listens, and what went over it. */
class TappedBus extends LocalBus {
  readonly handlers = new Map<string, BusHandler>();
  readonly sent: Uint8Array[] = [];

  override async publish(channel: string, payload: Uint8Array): Promise<void> {
    this.sent.push(payload);
    await super.publish(channel, payload);
  }

  override subscribe(channel: string, handler: BusHandler): Promise<() => Promise<void>> {
    this.handlers.set(channel, handler);
    return super.subscribe(channel, handler);
  }
}

test('whatever comes over the bus, no handler throws and calls go on', async (t) => {
  const bus = new TappedBus();
  const { client, server } = new Cast(t, {}, bus);
  await server.handle(Room.DeleteRoom, 'a', async () => new DeleteRoomResponse());
  await server.handle(AgentInternal.JobRequest, 'a', async () => new JobRequestResponse());
  await server.handle(AgentInternal.CheckEnabled, '', async () => new CheckEnabledResponse());
  await server.listen(Keepalive.Ping, 'a', () => {});
  await server.handleStream(Signal.RelaySignal, 'a', (stream) => {
    stream.listen(
      ({ seq }) => {
        stream.send(new RelaySignalResponse({ seq })).catch(() => {});
      },
      () => {},
    );
  });
  const everything = async () => {
    await client.call(Room.DeleteRoom, 'a', new DeleteRoomRequest());
    await client.call(AgentInternal.JobRequest, 'a', new Job(), { affinity: { maxAffinity: 1 } });
    for await (const _answer of client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest())) break;
    await client.publish(Keepalive.Ping, 'a', new KeepalivePing({ timestamp: 1n }));
    const stream = await client.openStream(Signal.RelaySignal, 'a');
    await stream.send(new RelaySignalRequest({ seq: 1n }));
    return stream;
  };
  const open = await everything();
  open.listen(
    () => {},
    () => {},
  );
  const seeds = bus.sent.slice();
  const random = sequence(11);
  assert.equal(bus.handlers.size, 12);
  for (let round = 0; round < 200; round += 1) {
    for (const handler of bus.handlers.values())
      handler(mutated(seeds[random() % seeds.length] ?? new Uint8Array(), random));
    if (round % 20 === 0) await settled();
  }
  await settled();
  (await everything()).close();
});
