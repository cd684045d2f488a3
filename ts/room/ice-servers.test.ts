import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { DEFAULT_ROOM_CONFIG, type RoomConfig } from './config.ts';
import { iceServers } from './ice-servers.ts';

const NOW = 1_700_000_000_000;
const AT_NOW = { participantSid: 'PA_x', now: NOW, tlsOnly: false };
const config = (rtc: Partial<RoomConfig['rtc']>, more: Partial<RoomConfig> = {}): RoomConfig => ({
  ...DEFAULT_ROOM_CONFIG,
  ...more,
  rtc: { ...DEFAULT_ROOM_CONFIG.rtc, ...rtc },
});

test('public STUN servers are named only where nothing else is', () => {
  const [fallback] = iceServers(config({}), AT_NOW);
  assert.equal(fallback?.urls.length, 3);
  assert.ok(fallback?.urls[0]?.startsWith('stun:global.stun.twilio.com'));
  const own = iceServers(config({ stunServers: ['stun.example.com:3478'] }), AT_NOW);
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
  const [first, second, ...others] = iceServers(config({ turnServers: [fixed, shared] }), AT_NOW);
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

test('livekit-server takes its least lifetime for those below zero and a day for those above', () => {
  const server = { host: 't', port: 1, protocol: 'udp' as const, username: '', credential: '', secret: 's' };
  const lifetimes = [-1, 600, 100_000].map((ttl) => {
    const [first] = iceServers(config({ turnServers: [{ ...server, ttl }] }), AT_NOW);
    return Number(first?.username.split(':')[0]) - NOW / 1000;
  });
  assert.deepEqual(lifetimes, [300, 600, 86_400]);
});

const UDP_URL = 'turn:192.0.2.1:3478?transport=udp';
const TLS_URL = 'turns:turn.example.com:443?transport=tcp';
const embedded = (udpUrls: string[], tlsUrl: string | undefined): Partial<RoomConfig> => ({
  embeddedTurn: { udpUrls, tlsUrl, credentials: (sid, now) => ({ username: `${sid} ${now}`, credential: 'p' }) },
});

test('the embedded TURN server comes first in one entry and serves as STUN where it speaks UDP', () => {
  const both = iceServers(config({}, embedded([UDP_URL], TLS_URL)), AT_NOW);
  assert.deepEqual(
    both.map(({ urls, username }) => [urls, username]),
    [[[UDP_URL, TLS_URL], `PA_x ${NOW}`]],
  );
  const tls = iceServers(config({}, embedded([], TLS_URL)), AT_NOW);
  assert.deepEqual([tls.length, tls[0]?.urls], [2, [TLS_URL]]);
});

test('who is to relay over TLS hears of TLS servers only', () => {
  const external = { host: 'x', port: 443, username: 'u', credential: 'c', secret: '', ttl: 0 };
  const turnServers = (['udp', 'tls', 'tcp'] as const).map((protocol) => ({ ...external, protocol }));
  const names = (settings: RoomConfig) =>
    iceServers(settings, { ...AT_NOW, tlsOnly: true }).flatMap(({ urls }) => urls.map((url) => url.split(':')[0]));
  assert.deepEqual(names(config({ turnServers }, embedded([UDP_URL], TLS_URL))), ['turns', 'turns']);
  const withoutTls = config({ turnServers: turnServers.slice(0, 1) }, embedded([UDP_URL], undefined));
  assert.deepEqual(names(withoutTls), ['turn', 'turn']);
});
