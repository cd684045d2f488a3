import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { DEFAULT_ROOM_CONFIG, type RoomConfig } from './config.ts';
import { iceServers } from './ice-servers.ts';

const NOW = 1_700_000_000_000;
const config = (rtc: Partial<RoomConfig['rtc']>, more: Partial<RoomConfig> = {}): RoomConfig => ({
  ...DEFAULT_ROOM_CONFIG,
  ...more,
  rtc: { ...DEFAULT_ROOM_CONFIG.rtc, ...rtc },
});

test('public STUN servers are named only where nothing else is', () => {
  const [fallback] = iceServers(config({}), 'PA_x', NOW);
  assert.equal(fallback?.urls.length, 3);
  assert.ok(fallback?.urls[0]?.startsWith('stun:global.stun.twilio.com'));
  const own = iceServers(config({ stunServers: ['stun.example.com:3478'] }), 'PA_x', NOW);
  assert.deepEqual(
    own.map(({ urls }) => urls),
    [['stun:stun.example.com:3478']],
  );
});

test('external TURN servers get static credentials, or a password that expires', () => {
  const fixed = {
    host: 't.example.com',
    port: 443,
    protocol: 'tls' as const,
    username: 'u',
    credential: 'c',
    secret: '',
    ttl: 0,
  };
  const shared = { ...fixed, protocol: 'udp' as const, port: 3478, secret: 'shared' };
  const [first, second, ...others] = iceServers(config({ turnServers: [fixed, shared] }), 'PA_x', NOW);
  assert.deepEqual(
    [first?.urls, first?.username, first?.credential],
    [['turns:t.example.com:443?transport=tcp'], 'u', 'c'],
  );
  assert.deepEqual(second?.urls, ['turn:t.example.com:3478?transport=udp']);
  assert.equal(second?.username, `${NOW / 1000 + 14_400}:PA_x`);
  assert.equal(
    second?.credential,
    createHmac('sha1', 'shared')
      .update(second?.username ?? '')
      .digest('base64'),
  );
  assert.equal(others.length, 0);
});

test('the embedded TURN server comes first and serves as STUN where it speaks UDP', () => {
  const embedded = (servesStun: boolean) => ({
    urls: ['turn:192.0.2.1:3478?transport=udp'],
    servesStun,
    credentials: (sid: string) => ({ username: sid, credential: 'p' }),
  });
  const withUdp = iceServers(config({}, { embeddedTurn: embedded(true) }), 'PA_x', NOW);
  assert.deepEqual([withUdp.length, withUdp[0]?.username], [1, 'PA_x']);
  assert.equal(iceServers(config({}, { embeddedTurn: embedded(false) }), 'PA_x', NOW).length, 2);
});
