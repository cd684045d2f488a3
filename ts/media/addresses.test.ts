import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { type AddressOptions, mediaAddresses } from './addresses.ts';

function info(address: string): NetworkInterfaceInfo {
  const internal = address === '127.0.0.1' || address === '::1';
  const common = { address, internal, netmask: '', mac: '', cidr: null };
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
}

const HOST = {
  lo: [info('127.0.0.1'), info('::1')],
  eth0: [info('10.0.0.5'), info('fe80::1'), info('2001:db8::5')],
  docker0: [info('172.17.0.1')],
};

function addresses(options: Partial<AddressOptions> = {}, interfaces: Record<string, NetworkInterfaceInfo[]> = HOST) {
  const none = { includes: [], excludes: [] };
  const all = { nodeIp: { v4: '', v6: '' }, interfaces: none, ips: none, loopback: false, ...options };
  return mediaAddresses(all, interfaces).map(({ bind, advertise }) =>
    bind === advertise ? bind : `${bind}→${advertise}`,
  );
}

test('all addresses but loopback and link-local ones take media', () => {
  assert.deepEqual(addresses(), ['10.0.0.5', '172.17.0.1', '2001:db8::5']);
});

test('loopback is taken where asked for, or where there is nothing else', () => {
  assert.deepEqual(addresses({ loopback: true }), ['10.0.0.5', '172.17.0.1', '127.0.0.1', '2001:db8::5', '::1']);
  assert.deepEqual(addresses({}, { lo: HOST.lo }), ['127.0.0.1', '::1']);
});

test('interfaces are chosen by name', () => {
  assert.deepEqual(addresses({ interfaces: { includes: ['eth0'], excludes: [] } }), ['10.0.0.5', '2001:db8::5']);
  assert.deepEqual(addresses({ interfaces: { includes: [], excludes: ['eth0'] } }), ['172.17.0.1']);
});

test('addresses are chosen by range, of either family', () => {
  assert.deepEqual(addresses({ ips: { includes: ['10.0.0.0/8'], excludes: [] } }), ['10.0.0.5']);
  assert.deepEqual(addresses({ ips: { includes: [], excludes: ['172.16.0.0/12', '2001:db8::/32'] } }), ['10.0.0.5']);
  assert.throws(() => addresses({ ips: { includes: ['10.0.0.0/x'], excludes: [] } }), /not an address range/);
});

test('a node address of ours is the only one of its family', () => {
  assert.deepEqual(addresses({ nodeIp: { v4: '10.0.0.5', v6: '' } }), ['10.0.0.5', '2001:db8::5']);
  assert.deepEqual(addresses({ nodeIp: { v4: '127.0.0.1', v6: '::1' } }), ['127.0.0.1', '::1']);
});

test('a translated node address is advertised for whichever of ours it leads to', () => {
  assert.deepEqual(addresses({ nodeIp: { v4: '198.51.100.7', v6: '2001:db8::99' } }), [
    '0.0.0.0→198.51.100.7',
    '2001:db8::5→2001:db8::99',
  ]);
});

test('discovered external addresses replace the local ones they belong to', () => {
  const external = new Map([['10.0.0.5', '198.51.100.7']]);
  assert.deepEqual(addresses({ external }), ['10.0.0.5→198.51.100.7', '172.17.0.1', '2001:db8::5']);
  assert.deepEqual(addresses({ external, externalOnly: true }), ['10.0.0.5→198.51.100.7']);
});

test('filters that leave nothing are an error', () => {
  assert.throws(() => addresses({ ips: { includes: ['203.0.113.0/24'], excludes: [] } }), /no local address/);
});
