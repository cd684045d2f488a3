import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSecretFile } from './keys.ts';
import { ConfigError, loadConfig } from './load.ts';
import { settle } from './settle.ts';

const KEYS = 'keys: { key: a secret that is long enough to be safe }\n';

function settled(turn: string, more = '') {
  const body = `${KEYS}turn: { enabled: true, ${turn} }\n${more}`;
  return settle(loadConfig({ body, overrides: [], strict: true }), false);
}

function complaints(turn: string, more = ''): string[] {
  try {
    settled(turn, more);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.complaints.map((complaint) => complaint.replace(/:.*/, ''));
  }
  return [];
}

test('TURN over UDP needs a port only', () => {
  assert.deepEqual(complaints('udp_port: 3478'), []);
});

test('TURN over TLS needs a domain and a certificate, unless a balancer ends TLS', () => {
  assert.deepEqual(complaints('tls_port: 443'), ['turn.domain', 'turn.cert_file', 'turn.key_file']);
  assert.deepEqual(complaints('tls_port: 443, domain: localhost, external_tls: true'), ['turn.domain']);
  assert.deepEqual(complaints('tls_port: 443, domain: turn.example.com, external_tls: true'), []);
  assert.deepEqual(complaints('tls_port: 443, domain: turn.example.com, cert_file: a, key_file: b'), []);
});

test('each wrong TURN key is named', () => {
  assert.deepEqual(complaints(''), ['turn']);
  assert.deepEqual(complaints('udp_port: 3478, bind_addresses: []'), ['turn.bind_addresses']);
  assert.deepEqual(complaints('udp_port: 3478, bind_addresses: [eth0]'), ['turn.bind_addresses']);
  assert.deepEqual(complaints('udp_port: 3478, relay_range_start: 31000, relay_range_end: 30000'), [
    'turn.relay_range_end',
  ]);
  assert.deepEqual(complaints('udp_port: 3478, deny_peer_cidrs: [10.0.0.0]'), ['turn.deny_peer_cidrs']);
  assert.deepEqual(complaints('udp_port: 3478, allow_restricted_peer_cidrs: ["fd00::/129", "10.0.0.0/8"]'), [
    'turn.allow_restricted_peer_cidrs',
  ]);
});

test('relay ports must be nobody else’s', () => {
  const range = 'relay_range_start: 50000, relay_range_end: 50100';
  assert.deepEqual(complaints(`udp_port: 3478, ${range}`), ['turn.relay_range_start']);
  assert.deepEqual(complaints(`udp_port: 3478, ${range}`, 'rtc: { udp_port: 7882 }\n'), []);
  assert.deepEqual(complaints('udp_port: 30000', 'rtc: { udp_port: 7882 }\n'), ['turn.relay_range_start']);
});

test('a lifetime out of range is taken as livekit-server takes it, with a warning', () => {
  const { config, notices } = settled('udp_port: 3478, ttl_seconds: 100000');
  assert.equal(config.turn.ttl_seconds, 86_400);
  assert.ok(notices.some(({ text }) => text.startsWith('turn.ttl_seconds: 100000')));
  assert.equal(settled('udp_port: 3478, ttl_seconds: -5').config.turn.ttl_seconds, 300);
});

test('nothing is asked of a TURN server that is off', () => {
  const body = `${KEYS}turn: { tls_port: 443 }\n`;
  assert.equal(settle(loadConfig({ body, overrides: [], strict: true }), false).config.turn.enabled, false);
});

test('a TURN server of others needs a way to log in', () => {
  const server = (keys: string) => complaints('udp_port: 3478', `rtc: { turn_servers: [{ ${keys} }] }\n`);
  assert.deepEqual(server('host: t, port: 3478'), ['rtc.turn_servers.0']);
  assert.deepEqual(server('host: t, port: 3478, username: u'), ['rtc.turn_servers.0']);
  assert.deepEqual(server('port: 3478, secret: s'), ['rtc.turn_servers.0.host']);
  assert.deepEqual(server('host: t, port: 3478, username: u, credential: c'), []);
});

test('a secret that everybody can read is refused', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'sluice-')), 'secret');
  writeFileSync(path, 'shared\n');
  chmodSync(path, 0o644);
  assert.throws(() => readSecretFile(path), /chmod 600/);
  chmodSync(path, 0o600);
  assert.equal(readSecretFile(path), 'shared');
});
