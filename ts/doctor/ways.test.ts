import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ICEServer } from '@livekit/protocol';
import type { Answer } from './offer.ts';
import { fixFor } from './way-fixes.ts';
import { ConnectTo, routesOf, stunServers, turnUrls, wayOf } from './ways.ts';

const REMOTE = { ufrag: 'u', pwd: 'p', lite: false, active: false, fingerprints: [] };
const HINTS = { udpPorts: '50000-60000', throughNat: false };

function answer(...candidates: Answer['candidates']): Answer {
  return { remote: REMOTE, candidates };
}

const servers = [
  new ICEServer({
    urls: ['turn:192.0.2.1:3478?transport=udp', 'turns:turn.example.com:443?transport=tcp', 'turn:[2001:db8::1]'],
    username: 'user',
    credential: 'word',
  }),
  new ICEServer({ urls: ['stun:stun.example.com:19302', 'stun:stun.example.com'] }),
];

test('URLs of TURN and STUN servers are read with their defaults', () => {
  assert.deepEqual(
    turnUrls(servers).map(({ kind, host, port }) => `${kind} ${host} ${port}`),
    ['turn-udp 192.0.2.1 3478', 'turn-tls turn.example.com 443', 'turn-udp 2001:db8::1 3478'],
  );
  assert.deepEqual(stunServers(servers), ['stun.example.com:19302', 'stun.example.com:3478']);
});

test('each address is one route, whatever its ports', () => {
  const first = answer(
    { protocol: 'udp', ip: '192.0.2.1', port: 50_000 },
    { protocol: 'udp', ip: '192.0.2.1', port: 50_001 },
    { protocol: 'tcp', ip: '192.0.2.1', port: 7881 },
  );
  assert.deepEqual(
    routesOf(first, servers).map(({ kind }) => kind),
    ['udp', 'tcp', 'turn-udp', 'turn-tls', 'turn-udp'],
  );
});

test('a route becomes the way of the visit that goes it', async () => {
  const [udp, turn, tls, v6] = routesOf(answer({ protocol: 'udp', ip: '192.0.2.1', port: 50_000 }), servers);
  assert.ok(udp && turn && tls && v6);
  const later = answer({ protocol: 'udp', ip: '192.0.2.1', port: 50_017 });
  const nowhere = new ConnectTo(['turn.example.com:443:[2001:db8::7]:5349']);
  assert.deepEqual(await wayOf(udp, later, servers, nowhere), { kind: 'udp', candidate: '192.0.2.1:50017' });
  assert.deepEqual(await wayOf(tls, later, servers, nowhere), {
    kind: 'turn-tls',
    serverName: 'turn.example.com',
    turn: { server: '[2001:db8::7]:5349', username: 'user', credential: 'word', peer: '192.0.2.1:50017' },
  });
  assert.match(String(await wayOf(v6, later, servers, nowhere)), /no IPv6 candidate/);
  assert.match(String(await wayOf(udp, answer(), servers, nowhere)), /did not offer it again/);
  assert.match(String(await wayOf(turn, later, [], nowhere)), /did not offer it again/);
});

test('--connect-to takes addresses, not names', () => {
  assert.throws(() => new ConnectTo(['turn.example.com:443:other.example.com:443']), /--connect-to/);
  assert.throws(() => new ConnectTo(['turn.example.com']), /--connect-to/);
});

test('the fix follows from the step that failed', () => {
  const udp = { kind: 'udp' as const, ip: '203.0.113.1', port: 50_123 };
  const tls = { kind: 'turn-tls' as const, url: 'turns:t', host: 'turn.example.com', port: 443, v4: true };
  assert.match(fixFor(udp, { step: 'ice', detail: 'no answer' }, HINTS), /open UDP 50000-60000/);
  assert.match(fixFor(udp, { step: 'dtls', detail: 'it did not end' }, HINTS), /middlebox/);
  assert.match(fixFor(tls, { step: 'connect', detail: 'timed out' }, HINTS), /open TCP 443/);
  assert.match(fixFor(tls, { step: 'connect', detail: 'the name is not resolved: x' }, HINTS), /record for turn\./);
  assert.match(fixFor(tls, { step: 'tls', detail: 'corrupt message' }, HINTS), /turn\.tls_port/);
  assert.match(fixFor(tls, { step: 'allocate', detail: 'does not take the credentials (401)' }, HINTS), /clock/);
  assert.match(fixFor(tls, { step: 'allocate', detail: 'refused with 486 ' }, HINTS), /allocation_limit/);
  assert.match(fixFor(tls, { step: 'permit', detail: 'refused with 403 ' }, HINTS), /deny_peer_cidrs/);
  assert.match(fixFor(tls, { step: 'ice', detail: 'no answer' }, HINTS), /reach the media ports/);
});
