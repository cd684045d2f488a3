import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Identity, RoomName } from '../lib/ids.ts';
import { Fallback, type FallbackOptions, type FallbackSettings } from './fallback.ts';
import { Preferences } from './preferences.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

const SETTINGS: FallbackSettings = {
  allowed: true,
  tcp: true,
  tls: true,
  tcpRttThresholdMs: 0,
  udpUnstable: false,
};

function policy(settings: Partial<FallbackSettings> = {}, more: Partial<FallbackOptions> = {}) {
  const clock = new VirtualClock();
  const changes: string[] = [];
  const fallback = new Fallback({
    clock,
    settings: { ...SETTINGS, ...settings },
    clientTcp: true,
    preference: 'any',
    heardAt: clock.now,
    changed: (preference) => changes.push(preference),
    ...more,
  });
  return { clock, fallback, changes };
}

test('UDP gives way to TCP, and TCP to a relay over TLS, one step each time the client comes back', () => {
  const { fallback, changes } = policy();
  fallback.failed('udp', true);
  fallback.failed('udp', true);
  assert.deepEqual(changes, ['tcp']);
  fallback.restart('tcp');
  fallback.failed('tcp', true);
  fallback.restart('tls');
  fallback.failed('relay', true);
  assert.deepEqual(changes, ['tcp', 'tls']);
});

test('a transport that stood for long must fail twice within a minute', async () => {
  const { clock, fallback, changes } = policy();
  fallback.failed('udp', false);
  await clock.advance(61_000);
  fallback.failed('udp', false);
  assert.deepEqual(changes, []);
  await clock.advance(59_000);
  fallback.restart('any');
  fallback.failed('udp', false);
  assert.deepEqual(changes, ['tcp']);
});

test('a client that is not heard of has lost its network, not its path', async () => {
  const heard = { at: 0 as number | undefined };
  const { clock, fallback, changes } = policy({}, { heardAt: () => heard.at });
  heard.at = clock.now();
  await clock.advance(15_000);
  fallback.failed('udp', true);
  heard.at = undefined;
  fallback.failed('udp', true);
  assert.deepEqual(changes, []);
  heard.at = clock.now();
  fallback.failed('udp', true);
  assert.deepEqual(changes, ['tcp']);
});

test('without fallback everybody stays where ICE leads', () => {
  const { fallback, changes } = policy({ allowed: false });
  fallback.failed('udp', true);
  assert.deepEqual(changes, []);
});

test('clients without ICE over TCP, and those far away, go to TLS at once', () => {
  const incapable = policy({}, { clientTcp: false });
  incapable.fallback.failed('udp', true);
  assert.deepEqual(incapable.changes, ['tls']);
  const far = policy({ tcpRttThresholdMs: 100 });
  far.fallback.setSignalRtt(100);
  far.fallback.failed('udp', true);
  assert.deepEqual(far.changes, ['tls']);
  const near = policy({ tcpRttThresholdMs: 100 });
  near.fallback.setSignalRtt(99);
  near.fallback.failed('udp', true);
  assert.deepEqual(near.changes, ['tcp']);
  const nowhere = policy({ tcp: false, tls: false });
  nowhere.fallback.failed('udp', true);
  assert.deepEqual(nowhere.changes, []);
});

test('what never connected under a preference is not insisted on', () => {
  const tcp = policy({}, { preference: 'tcp' });
  tcp.fallback.failed(undefined, true);
  assert.deepEqual(tcp.changes, ['tls']);
  const withoutTls = policy({ tls: false }, { preference: 'tcp' });
  withoutTls.fallback.failed(undefined, true);
  assert.deepEqual(withoutTls.changes, ['any']);
  const tls = policy({}, { preference: 'tls' });
  tls.fallback.failed(undefined, true);
  assert.deepEqual(tls.changes, ['any']);
});

const LOSSY = { loss: 0.25, rttMs: 100 };
const CLEAN = { loss: 0.24, rttMs: 100 };

test('UDP that loses a quarter in 20 of 32 reports gives way to TCP that is as near', () => {
  const { fallback, changes } = policy({ udpUnstable: true, tcpRttThresholdMs: 200 });
  fallback.setSignalRtt(129);
  for (let report = 0; report < 19; report++) assert.equal(fallback.reported(LOSSY), false);
  for (let report = 0; report < 13; report++) assert.equal(fallback.reported(CLEAN), false);
  assert.equal(fallback.reported(LOSSY), false, 'the first lossy one has left the window');
  for (let report = 0; report < 18; report++) fallback.reported(LOSSY);
  assert.deepEqual(changes, []);
  assert.equal(fallback.reported(LOSSY), true);
  assert.deepEqual(changes, ['tcp']);
});

test('lossy UDP stays where TCP is farther or nobody asked to leave it', () => {
  const far = policy({ udpUnstable: true, tcpRttThresholdMs: 200 });
  far.fallback.setSignalRtt(130);
  const without = policy({ udpUnstable: true });
  const off = policy({ tcpRttThresholdMs: 200 });
  for (const { fallback, changes } of [far, without, off]) {
    for (let report = 0; report < 40; report++) fallback.reported(LOSSY);
    assert.deepEqual(changes, []);
  }
});

test('where a client was led is remembered for five minutes, by room and identity', async () => {
  const clock = new VirtualClock();
  const preferences = new Preferences(clock);
  const [room, other, alice] = ['room' as RoomName, 'other' as RoomName, 'alice' as Identity];
  preferences.put(room, alice, 'tls');
  await clock.advance(299_999);
  assert.deepEqual([preferences.get(room, alice), preferences.get(other, alice)], ['tls', 'any']);
  await clock.advance(1);
  assert.equal(preferences.get(room, alice), 'any');
  preferences.put(room, alice, 'tcp');
  preferences.put(room, alice, 'any');
  assert.equal(preferences.get(room, alice), 'any');
});
