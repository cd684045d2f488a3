import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config/load.ts';
import { settle } from './config/settle.ts';
import { embeddedTurn, turnListeners, turnSettings } from './turn-settings.ts';

const NOW = 1_795_380_176_000;
const MEDIA = [
  { bind: '10.0.0.5', advertise: '10.0.0.5' },
  { bind: '192.168.1.5', advertise: '192.168.1.5' },
  { bind: '2001:db8::5', advertise: '2001:db8::5' },
];

function configOf(turn: string, rtc = 'udp_port: 7882') {
  const body = `keys: { APIvector: secretsecretsecretsecretsecretsecret, other: anothersecretanothersecretanothersecret }
turn: { enabled: true, ${turn} }
rtc: { ${rtc} }
`;
  return settle(loadConfig({ body, overrides: [], strict: true }), false).config;
}

test('the log tells where it listens', () => {
  const range = {
    'turn.relay_range_start': 30_000,
    'turn.relay_range_end': 40_000,
    'turn.bind_addresses': ['0.0.0.0'],
  };
  assert.deepEqual(turnListeners(configOf('udp_port: 3478')), { ...range, 'turn.portUDP': 3478 });
  const tls = configOf('tls_port: 5349, domain: turn.example.com, external_tls: true');
  assert.deepEqual(turnListeners(tls), { ...range, 'turn.portTLS': 5349, 'turn.externalTLS': true });
});

test('the workers are told all that they need of the TURN server', () => {
  const config = configOf(
    'udp_port: 3478, tls_port: 5349, domain: turn.example.com, external_tls: true, ttl_seconds: 600',
  );
  assert.deepEqual(turnSettings(config, MEDIA), {
    realm: 'livekit',
    udpPort: 3478,
    tls: { port: 5349, external: true },
    bindAddresses: ['0.0.0.0'],
    relayAddresses: [MEDIA[0]],
    relayRangeStart: 30_000,
    relayRangeEnd: 40_000,
    allocationsPerUser: 12,
    credentials: [
      { apiKey: 'APIvector', apiSecret: 'secretsecretsecretsecretsecretsecret' },
      { apiKey: 'other', apiSecret: 'anothersecretanothersecretanothersecret' },
    ],
    allowPublicPeers: false,
    allowRestrictedPeerCidrs: [],
    denyPeerCidrs: [],
  });
});

test('clients are told what livekit-server tells them', () => {
  const config = configOf(
    'udp_port: 13478, tls_port: 15349, domain: turn.example.com, external_tls: true, ttl_seconds: 600',
    'udp_port: 17882, node_ip: 192.0.2.1',
  );
  const turn = embeddedTurn(config, MEDIA);
  assert.deepEqual(turn?.udpUrls, ['turn:192.0.2.1:13478?transport=udp']);
  assert.equal(turn?.tlsUrl, 'turns:turn.example.com:443?transport=tcp');
  assert.deepEqual(turn?.credentials('PA_EGn2wCfGufYC', NOW), {
    username: '2czNwgzM1kzNxw3QZZWdHZ2Q3JjbHV0XBBFfk7N6GrM7SCqgA',
    credential: 'DBFfqUjmucS5mfbQEcPPdi3uCRNukpIdoiG37qUI4hG',
  });
});

test('relays and URLs follow the families that the server listens on', () => {
  const both = configOf('udp_port: 3478, bind_addresses: ["0.0.0.0", "::"]');
  assert.deepEqual(turnSettings(both, MEDIA)?.relayAddresses, [MEDIA[0], MEDIA[2]]);
  assert.deepEqual(embeddedTurn(both, MEDIA)?.udpUrls, [
    'turn:10.0.0.5:3478?transport=udp',
    'turn:[2001:db8::5]:3478?transport=udp',
  ]);
  assert.throws(() => turnSettings(configOf('udp_port: 3478'), MEDIA.slice(2)), /turn\.bind_addresses: 0\.0\.0\.0/);
});

test('relays have the address that the node is known by', () => {
  const config = configOf('udp_port: 3478', 'udp_port: 7882, node_ip: 192.168.1.5');
  assert.deepEqual(turnSettings(config, MEDIA)?.relayAddresses, [MEDIA[1]]);
});

test('clients are told an address that the server listens on', () => {
  const urls = (turn: string, rtc?: string) => embeddedTurn(configOf(`udp_port: 3478, ${turn}`, rtc), MEDIA)?.udpUrls;
  assert.deepEqual(urls('bind_addresses: [192.168.1.5]'), ['turn:192.168.1.5:3478?transport=udp']);
  assert.deepEqual(urls('bind_addresses: [192.168.1.9]'), ['turn:192.168.1.9:3478?transport=udp']);
  assert.deepEqual(urls('bind_addresses: [192.168.1.5, 10.0.0.5]'), ['turn:10.0.0.5:3478?transport=udp']);
  const translated = urls('bind_addresses: [10.0.0.5]', 'udp_port: 7882, node_ip: 203.0.113.10');
  assert.deepEqual(translated, ['turn:203.0.113.10:3478?transport=udp']);
});

test('a TURN server that is off is nobody’s concern', () => {
  const { config } = settle(loadConfig({ body: 'keys: { k: s }', overrides: [], strict: true }), false);
  assert.equal(turnSettings(config, MEDIA), undefined);
  assert.equal(embeddedTurn(config, MEDIA), undefined);
});
