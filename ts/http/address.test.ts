import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addressGroup, canonicalAddress } from './address.ts';

it('addresses take their shortest form', () => {
  assert.equal(canonicalAddress('0000:0000:0000:0000:0000:ffff:7f00:0001'), '127.0.0.1');
  assert.equal(canonicalAddress('::ffff:10.1.2.3'), '10.1.2.3');
  assert.equal(canonicalAddress('2001:0db8:0000:0000:0000:0000:0000:0001'), '2001:db8::1');
  assert.equal(canonicalAddress('fe80::1%eth0'), 'fe80::1');
  assert.equal(canonicalAddress('192.0.2.7'), '192.0.2.7');
});

it('addresses of one IPv6 network are one group', () => {
  assert.equal(addressGroup('192.0.2.7'), '192.0.2.7');
  assert.equal(addressGroup('2001:db8::1'), '2001:db8:0:0::/64');
  assert.equal(addressGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(addressGroup('::1'), '0:0:0:0::/64');
});
