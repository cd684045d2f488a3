import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import {
  type AddressOptions,
  candidateAddresses,
  type Discovered,
  isPublic,
  type LocalFilters,
  localAddresses,
} from './addresses.ts';

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

type Interfaces = Record<string, NetworkInterfaceInfo[]>;

function candidates(options: Partial<AddressOptions & LocalFilters> = {}, interfaces: Interfaces = HOST) {
  const none = { includes: [], excludes: [] };
  const all = { nodeIp: { v4: '', v6: '' }, interfaces: none, ips: none, loopback: false, ...options };
  return candidateAddresses(all, localAddresses(all, interfaces));
}

function addresses(options: Partial<AddressOptions & LocalFilters> = {}, interfaces: Interfaces = HOST) {
  return candidates(options, interfaces).map(({ bind, advertise }) =>
    bind === advertise ? bind : `${bind}→${advertise}`,
  );
}

/** What asking came to: `passed`, `failed` or `skipped` self-checks by local address, as `external check`. */
function discovery(found: Record<string, string>, ...defaults: string[]) {
  const entries = Object.entries(found).map(([local, text]): [string, Discovered] => {
    const [external = '', selfCheck] = text.split(' ');
    if (selfCheck !== 'passed' && selfCheck !== 'failed' && selfCheck !== 'skipped') return [local, { failure: text }];
    return [local, { external, server: 'stun.example.com:3478', selfCheck }];
  });
  return { found: new Map(entries), defaults };
}

test('all addresses but loopback and link-local ones take media', () => {
  assert.deepEqual(addresses(), ['10.0.0.5', '172.17.0.1', '2001:db8::5']);
});

test('a machine may have one family only', () => {
  assert.deepEqual(addresses({}, { eth0: [info('10.0.0.5')] }), ['10.0.0.5']);
  assert.deepEqual(addresses({}, { lo: HOST.lo, eth0: [info('2001:db8::5')] }), ['2001:db8::5']);
});

test('loopback is taken where asked for, or where there is nothing else', () => {
  assert.deepEqual(addresses({ loopback: true }), ['10.0.0.5', '172.17.0.1', '127.0.0.1', '2001:db8::5', '::1']);
  assert.deepEqual(addresses({}, { lo: HOST.lo }), ['127.0.0.1', '::1']);
  const notes = (options: Partial<AddressOptions>) =>
    candidates(options, { lo: HOST.lo }).map(({ note }) => note?.level);
  assert.deepEqual(notes({}), ['warn', 'warn']);
  assert.deepEqual(notes({ loopback: true }), [undefined, undefined]);
  assert.deepEqual(notes({ nodeIp: { v4: '198.51.100.7', v6: '::1' } }), [undefined, undefined]);
});

test('an address of two interfaces is taken once', () => {
  assert.deepEqual(addresses({}, { eth0: [info('10.0.0.5')], bond0: [info('10.0.0.5')] }), ['10.0.0.5']);
});

test('interfaces are chosen by name', () => {
  assert.deepEqual(addresses({ interfaces: { includes: ['eth0'], excludes: [] } }), ['10.0.0.5', '2001:db8::5']);
  assert.deepEqual(addresses({ interfaces: { includes: [], excludes: ['eth0'] } }), ['172.17.0.1']);
  assert.deepEqual(addresses({ interfaces: { includes: ['docker0'], excludes: ['docker0'] } }), ['172.17.0.1']);
});

test('addresses are chosen by range, of either family', () => {
  assert.deepEqual(addresses({ ips: { includes: ['10.0.0.0/8'], excludes: [] } }), ['10.0.0.5']);
  assert.deepEqual(addresses({ ips: { includes: ['::/0'], excludes: [] } }), ['2001:db8::5']);
  assert.deepEqual(addresses({ ips: { includes: [], excludes: ['172.16.0.0/12', '2001:db8::/32'] } }), ['10.0.0.5']);
  for (const bad of ['10.0.0.0/x', '10.0.0.0/33', '10.0.0.0/', '::/129', 'eth0', '10.0.0.0/8/8']) {
    assert.throws(() => addresses({ ips: { includes: [bad], excludes: [] } }), /not an address range/, bad);
  }
});

test('a node address of ours is the only one of its family', () => {
  assert.deepEqual(addresses({ nodeIp: { v4: '10.0.0.5', v6: '' } }), ['10.0.0.5', '2001:db8::5']);
  assert.deepEqual(addresses({ nodeIp: { v4: '127.0.0.1', v6: '::1' } }), ['127.0.0.1', '::1']);
  assert.deepEqual(addresses({ nodeIp: { v4: '', v6: '2001:DB8:0::5' } }), ['10.0.0.5', '172.17.0.1', '2001:db8::5']);
});

test('a translated node address is advertised for whichever of ours it leads to', () => {
  assert.deepEqual(addresses({ nodeIp: { v4: '198.51.100.7', v6: '2001:db8::99' } }), [
    '0.0.0.0→198.51.100.7',
    '2001:db8::5→2001:db8::99',
  ]);
});

test('filters that leave nothing are an error that names them', () => {
  const nothing = /no local address is left for media: see rtc.interfaces and rtc.ips/;
  assert.throws(() => addresses({ ips: { includes: ['203.0.113.0/24'], excludes: [] } }), nothing);
  assert.throws(() => addresses({ ips: { includes: ['::/0'], excludes: [] } }, { eth0: [info('10.0.0.5')] }), nothing);
});

test('it is told where each address comes from', () => {
  const told = (options: Partial<AddressOptions>) =>
    candidates(options).map(({ advertise, interface: name, source, verified }) => [advertise, name, source, verified]);
  assert.deepEqual(told({ nodeIp: { v4: '198.51.100.7', v6: '' } }), [
    ['198.51.100.7', 'any', 'node_ip', 'not checked'],
    ['2001:db8::5', 'eth0', 'interface', 'own address'],
  ]);
  const found = discovery({ '10.0.0.5': '198.51.100.7 passed', '172.17.0.1': 'no answer', '2001:db8::5': 'no answer' });
  assert.deepEqual(told({ discovery: found }), [
    ['198.51.100.7', 'eth0', 'stun stun.example.com:3478', 'self-check passed'],
    ['172.17.0.1', 'docker0', 'interface', 'own address'],
    ['2001:db8::5', 'eth0', 'interface', 'own address'],
  ]);
});

test('discovered addresses replace the local ones, and private ones without stay with a warning', () => {
  const found = discovery({ '10.0.0.5': '198.51.100.7 passed', '172.17.0.1': 'no answer', '2001:db8::5': 'no answer' });
  assert.deepEqual(addresses({ discovery: found }), ['10.0.0.5→198.51.100.7', '172.17.0.1', '2001:db8::5']);
  assert.deepEqual(addresses({ discovery: found, externalOnly: true }), ['10.0.0.5→198.51.100.7', '2001:db8::5']);
  const [external, bridge, v6] = candidates({ discovery: found });
  assert.equal(external?.note, undefined);
  assert.equal(bridge?.note?.level, 'warn');
  assert.match(bridge?.note?.text ?? '', /no answer.*rtc.external_ip_only/);
  assert.equal(v6?.note, undefined, 'a public address needs no other');
});

test('an address that failed its self-check is told all the same, with a warning', () => {
  const found = discovery({ '10.0.0.5': '198.51.100.7 failed', '172.17.0.1': 'no answer', '2001:db8::5': 'no answer' });
  const [external] = candidates({ discovery: found });
  assert.equal(external?.advertise, '198.51.100.7');
  assert.equal(external?.verified, 'self-check failed');
  assert.match(external?.note?.text ?? '', /rtc.skip_external_ip_validation/);
});

test('of two local addresses with one external address it belongs to the one that it leads to', () => {
  const both = (eth0: string, docker0: string, ...defaults: string[]) =>
    addresses({
      discovery: discovery(
        { '10.0.0.5': `198.51.100.7 ${eth0}`, '172.17.0.1': `198.51.100.7 ${docker0}` },
        ...defaults,
      ),
    }).slice(0, 2);
  assert.deepEqual(both('failed', 'passed'), ['172.17.0.1→198.51.100.7', '10.0.0.5']);
  assert.deepEqual(both('failed', 'failed', '172.17.0.1'), ['172.17.0.1→198.51.100.7', '10.0.0.5']);
  assert.deepEqual(both('skipped', 'skipped'), ['10.0.0.5→198.51.100.7', '172.17.0.1']);
});

test('with nothing but private addresses found the server does not start, and says what to set', () => {
  const found = discovery({ '10.0.0.5': 'no answer from stun.example.com:3478', '172.17.0.1': 'EINVAL' });
  const interfaces = { eth0: [info('10.0.0.5')], docker0: HOST.docker0 };
  assert.throws(
    () => candidates({ discovery: found }, interfaces),
    (error: Error) => {
      for (const named of [
        'rtc.use_external_ip',
        'rtc.node_ip',
        'rtc.stun_servers',
        '10.0.0.5: no answer from stun.',
      ]) {
        assert.ok(error.message.includes(named), named);
      }
      return true;
    },
  );
  assert.throws(() => candidates({ discovery: discovery({}) }, {}), /no local address to ask from/);
});

test('a private address of one family is told with an error while only the other has a public one', () => {
  const found = discovery({ '10.0.0.5': 'no answer', '172.17.0.1': 'no answer' }, '10.0.0.5');
  const told = candidates({ discovery: found });
  assert.deepEqual(
    told.map(({ advertise, note }) => [advertise, note?.level]),
    [
      ['10.0.0.5', 'error'],
      ['172.17.0.1', 'warn'],
      ['2001:db8::5', undefined],
    ],
  );
});

test('where discovery fails a configured node address stands in, with an error', () => {
  const found = discovery({ '10.0.0.5': 'no answer' }, '10.0.0.5');
  const options = { discovery: found, nodeIp: { v4: '198.51.100.7', v6: '' } };
  const [told] = candidates(options, { eth0: [info('10.0.0.5')] });
  assert.deepEqual([told?.bind, told?.advertise, told?.source], ['10.0.0.5', '198.51.100.7', 'node_ip']);
  assert.equal(told?.note?.level, 'error');
  assert.match(told?.note?.text ?? '', /10.0.0.5: no answer.*rtc.stun_servers/);
});

test('what is discovered wins over a configured node address', () => {
  const found = discovery({ '10.0.0.5': '198.51.100.7 passed' });
  const options = { discovery: found, nodeIp: { v4: '10.0.0.5', v6: '' } };
  assert.deepEqual(addresses(options, { eth0: [info('10.0.0.5')] }), ['10.0.0.5→198.51.100.7']);
});

test('a private address that a STUN server saw is told with a warning', () => {
  const found = discovery({ '10.0.0.5': '192.168.1.5 passed' });
  const [told] = candidates({ discovery: found }, { eth0: [info('10.0.0.5')] });
  assert.equal(told?.advertise, '192.168.1.5');
  assert.match(told?.note?.text ?? '', /private/);
});

test('private, shared, loopback and reserved addresses are not public', () => {
  const local = ['10.1.2.3', '172.31.0.1', '192.168.0.1', '100.64.0.1', '127.0.0.1', '0.0.0.0', 'fd00::1', '::1', '::'];
  assert.deepEqual(local.filter(isPublic), []);
  const world = ['198.51.100.7', '172.32.0.1', '100.128.0.1', '2001:db8::1', '2600::1'];
  assert.deepEqual(world.filter(isPublic), world);
});
