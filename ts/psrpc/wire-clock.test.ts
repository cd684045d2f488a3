import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CreateRoomRequest, Room } from '@livekit/protocol';
import { wireTime } from './envelope.ts';
import { LocalBus } from './local-bus.ts';
import { RpcServer } from './server.ts';
import { RoomManager } from './services.ts';
import { Cast, observed, silent } from './testing/cast.ts';
import { type Clocks, WireClock } from './wire-clock.ts';

const HOUR = 3_600_000;
const SHARED = 1_700_000_000_000;

const clockOf = (own: number, shared: number | undefined) => new WireClock({ now: () => own, sharedNow: () => shared });

test('of two clocks the later stamps and the earlier judges', () => {
  const expires = { sentAt: wireTime(0), expiry: wireTime(1000) };
  for (const [own, shared] of [
    [500, 2000],
    [2000, 500],
  ] as const) {
    assert.equal(clockOf(own, shared).stamp(), 2000);
    assert.equal(clockOf(own, shared).lateness(expires), -500);
  }
  assert.equal(clockOf(1000, undefined).stamp(), 1000);
  assert.equal(clockOf(1000, undefined).lateness(expires), 0);
});

test('nobody is waited for longer than a message is to live, or a timer holds', () => {
  const times = { sentAt: wireTime(10_000), expiry: wireTime(13_000) };
  assert.equal(clockOf(0, undefined).remaining(times), 3000);
  assert.equal(clockOf(12_000, undefined).remaining(times), 1000);
  assert.equal(clockOf(20_000, undefined).remaining(times), 0);
  assert.equal(clockOf(0, undefined).remaining({ sentAt: -(2n ** 63n), expiry: 2n ** 63n - 1n }), HOUR);
});

const nodes: Record<string, Clocks> = {
  right: { now: () => SHARED, sharedNow: () => SHARED },
  ahead: { now: () => SHARED + HOUR, sharedNow: () => SHARED },
  behind: { now: () => SHARED - HOUR, sharedNow: () => SHARED },
  'still without the shared clock': { now: () => SHARED },
};

for (const [from, fromClocks] of Object.entries(nodes)) {
  for (const [to, toClocks] of Object.entries(nodes)) {
    test(`a node that is ${from} calls one that is ${to}`, async (t) => {
      const { client, bus } = new Cast(t, fromClocks, new LocalBus());
      const server = new RpcServer(bus, { id: 'SRV', log: silent, observe: observed(), ...toClocks });
      t.after(() => server.close());
      await server.handle(RoomManager.CreateRoom, 'ND', async () => new Room());
      await client.call(RoomManager.CreateRoom, 'ND', new CreateRoomRequest());
    });
  }
}
