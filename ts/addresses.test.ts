/** Addresses as a config file asks for them, up to a whole server that asks a STUN server. */

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { pino } from 'pino';
import { logAddresses, nodeAddresses } from './addresses.ts';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { settle } from './config/settle.ts';
import { stunResponder } from './lib/testing/stun-responder.ts';
import type { Discovered, Discovery } from './media/addresses.ts';
import type { DiscoveryOptions } from './media/external-address.ts';
import { createServer } from './server.ts';

const HOST = { eth0: [info('10.0.0.5')], eth1: [info('192.168.7.5')] };
const LOOPBACK_ONLY = '{ tcp_port: 0, enable_loopback_candidate: true, ips: { includes: [127.0.0.1/32] }';

function info(address: string): NetworkInterfaceInfo {
  const common = { address, internal: false, netmask: '', mac: '', cidr: null };
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
}

function configOf(rtc: string): Config {
  const body = `port: 0\nbind_addresses: [127.0.0.1]\nkeys: { key: 01234567890123456789012345678901 }\nrtc: ${rtc}`;
  return settle(loadConfig({ body, overrides: [], strict: true }), false).config;
}

function logged() {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, log, candidates: () => lines.filter(({ msg }) => String(msg).startsWith('candidate address')) };
}

/** Instead of asking: what it would come to, and what was asked. */
function answers(found: Record<string, Discovered>) {
  const asked: [readonly string[], DiscoveryOptions][] = [];
  const discover = async (locals: readonly string[], options: DiscoveryOptions): Promise<Discovery> => {
    asked.push([locals, options]);
    return { found: new Map(Object.entries(found)), defaults: [] };
  };
  return { asked, discover };
}

const FOUND: Discovered = { external: '198.51.100.7', server: 'stun.example.com:3478', selfCheck: 'passed' };

test('without use_external_ip nobody is asked', async () => {
  const { log } = logged();
  const { asked, discover } = answers({});
  const found = await nodeAddresses(configOf('{ udp_port: 7882 }'), HOST, log, discover);
  assert.deepEqual(found.media, [
    { bind: '10.0.0.5', advertise: '10.0.0.5' },
    { bind: '192.168.7.5', advertise: '192.168.7.5' },
  ]);
  assert.deepEqual(found.nodeIp, { v4: '10.0.0.5', v6: '' });
  assert.deepEqual(asked, []);
});

test('discovery asks from ports of media, and the node is known by what it finds', async () => {
  const { log } = logged();
  const { asked, discover } = answers({ '10.0.0.5': FOUND });
  const config = configOf('{ use_external_ip: true, external_ip_only: true, tcp_port: 0, node_ip: 10.0.0.5 }');
  const found = await nodeAddresses(config, HOST, log, discover);
  assert.deepEqual(found.media, [{ bind: '10.0.0.5', advertise: '198.51.100.7' }]);
  assert.deepEqual(found.nodeIp, { v4: '198.51.100.7', v6: '' });
  assert.deepEqual([...found.translated], [['198.51.100.7', '10.0.0.5']]);
  const [locals, { ports, selfCheck, stunServers }] = asked[0] ?? assert.fail('not asked');
  assert.deepEqual(locals, ['10.0.0.5', '192.168.7.5']);
  assert.ok(ports.length === 5 && ports.every((port) => port >= 50_000 && port <= 60_000));
  assert.equal(selfCheck, true);
  assert.equal(stunServers[0], 'global.stun.twilio.com:3478');
});

test('servers that are no host:port are refused', async () => {
  const { log } = logged();
  const config = configOf('{ use_external_ip: true, stun_servers: ["stun:stun.example.com"] }');
  await assert.rejects(nodeAddresses(config, HOST, log), /rtc.stun_servers: expected host:port, got stun:stun/);
});

test('each candidate address has a line that says where it comes from', async () => {
  const { log, candidates } = logged();
  const { discover } = answers({
    '10.0.0.5': FOUND,
    '192.168.7.5': { failure: 'no answer from stun.example.com:3478' },
  });
  logAddresses(await nodeAddresses(configOf('{ use_external_ip: true, tcp_port: 0 }'), HOST, log, discover), log);
  const [external, internal, ...others] = candidates();
  const { level, time: _time, pid: _pid, hostname: _hostname, ...fields } = external ?? {};
  assert.deepEqual(fields, {
    address: '198.51.100.7',
    local: '10.0.0.5',
    interface: 'eth0',
    source: 'stun stun.example.com:3478',
    verified: 'self-check passed',
    msg: 'candidate address',
  });
  assert.equal(level, 30);
  assert.equal(internal?.level, 40);
  assert.match(String(internal?.msg), /no answer from stun.example.com:3478.*rtc.external_ip_only/);
  assert.deepEqual(others, []);
});

test('a server tells clients what a STUN server saw', async () => {
  const stun = await stunResponder('127.0.0.1', () => ({ ip: '198.51.100.7', port: 1 }));
  const { log, lines, candidates } = logged();
  const rtc = `${LOOPBACK_ONLY}, use_external_ip: true, skip_external_ip_validation: true, stun_servers: ["127.0.0.1:${stun.port}"] }`;
  const server = await createServer(configOf(rtc), log, '0.0.0');
  await server.start();
  assert.deepEqual(
    candidates().map(({ address, local, verified }) => [address, local, verified]),
    [['198.51.100.7', '127.0.0.1', 'self-check skipped']],
  );
  assert.equal(lines.find(({ msg }) => msg === 'starting LiveKit server')?.nodeIP, '198.51.100.7');
  await server.close();
  await stun.close();
});

test('a server that can find no external address does not start, unless it is told one', async () => {
  // Nobody answers there.
  const silent = await stunResponder('127.0.0.1', () => undefined);
  const { log, candidates } = logged();
  const rtc = `${LOOPBACK_ONLY}, use_external_ip: true, stun_servers: ["127.0.0.1:${silent.port}"]`;
  const [refused, started] = await Promise.allSettled([
    createServer(configOf(`${rtc} }`), log, '0.0.0'),
    createServer(configOf(`${rtc}, node_ip: 198.51.100.7 }`), log, '0.0.0'),
  ]);
  assert.ok(refused.status === 'rejected' && started.status === 'fulfilled');
  for (const named of [
    'rtc.use_external_ip',
    'rtc.node_ip',
    'rtc.stun_servers',
    `no answer from 127.0.0.1:${silent.port}`,
  ]) {
    assert.ok(String(refused.reason).includes(named), named);
  }
  const [told] = candidates();
  assert.deepEqual([told?.address, told?.source, told?.level], ['198.51.100.7', 'node_ip', 50]);
  await started.value.close();
  await silent.close();
});

test('a second server on the same port does not start', async () => {
  const probe = createSocket('udp4').bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(resolve));
  const { log } = logged();
  const config = configOf(`${LOOPBACK_ONLY}, udp_port: ${port} }`);
  const first = await createServer(config, log, '0.0.0');
  await assert.rejects(
    createServer(config, log, '0.0.0'),
    new RegExp(`rtc.udp_port: UDP port ${port} of 127.0.0.1 is taken`),
  );
  await first.close();
  await (await createServer(config, log, '0.0.0')).close();
});
