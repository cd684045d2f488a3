import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Duration } from '@bufbuild/protobuf';
import {
  SIPTrunkInfo_TrunkKind as Kind,
  ListUpdate,
  SIPInboundTrunkInfo,
  SIPInboundTrunkUpdate,
  SIPMediaConfig,
  SIPMediaEncryption,
  SIPOutboundTrunkInfo,
  SIPTrunkInfo,
  SIPUri,
} from '@livekit/protocol';
import type { InboundCall } from './call.ts';
import { matchTrunk } from './match-trunk.ts';
import { mergeMedia } from './media.ts';
import { normalizeNumber } from './number.ts';
import {
  checkInboundTrunk,
  checkOutboundTrunk,
  checkTrunkConflicts,
  inboundOf,
  outboundOf,
  trunkOf,
  updatedInboundTrunk,
} from './trunks.ts';

const inbound = (id: string, fields: Partial<SIPInboundTrunkInfo> = {}) =>
  new SIPInboundTrunkInfo({ sipTrunkId: id, ...fields });
const call = (fields: Partial<{ from: string; to: string; host: string; sourceIp: string }> = {}): InboundCall => ({
  id: 'SCL_1',
  sourceIp: fields.sourceIp ?? '198.51.100.1',
  from: new SIPUri({ user: fields.from ?? '+15550100', host: fields.host ?? 'sip.example.com' }),
  to: new SIPUri({ user: fields.to ?? '+15550199' }),
});
const says = (pattern: RegExp, code = 'invalid_argument') => ({ name: 'RpcError', code, message: pattern });

test('a number is the same with and without punctuation and plus', () => {
  assert.equal(normalizeNumber('(555) 01-00'), '+5550100');
  assert.equal(normalizeNumber('+1 555 0100'), '+15550100');
  assert.equal(normalizeNumber('alice'), 'alice');
  assert.equal(normalizeNumber(''), '');
});

test('a trunk that lets everybody in is refused', () => {
  assert.throws(() => checkInboundTrunk(inbound('')), says(/^for security, one of the fields must be set/));
  checkInboundTrunk(inbound('', { numbers: ['+1'] }));
  checkInboundTrunk(inbound('', { authUsername: 'u', authPassword: 'p' }));
  checkInboundTrunk(inbound('', { allowedAddresses: ['192.0.2.0/24'] }));
});

test('headers, hosts and media that can not be are refused by name', () => {
  const base = { numbers: ['+1'] };
  const outbound = (fields: Partial<SIPOutboundTrunkInfo>) =>
    new SIPOutboundTrunkInfo({ address: 'sip.example.com', ...base, ...fields });
  const cases: [() => void, RegExp][] = [
    [() => checkInboundTrunk(inbound('', { ...base, headers: { From: 'x' } })), /header name From not supported/],
    [() => checkInboundTrunk(inbound('', { ...base, headers: { 'X Y': 'x' } })), /char 32 not allowed/],
    [() => checkInboundTrunk(inbound('', { ...base, headers: { 'X-Y': 'a\r\nTo: b' } })), /char 13 not allowed/],
    [() => checkInboundTrunk(inbound('', { ...base, attributesToHeaders: { a: '' } })), /cannot be empty/],
    [() => checkOutboundTrunk(outbound({ numbers: [] })), /no trunk numbers specified/],
    [() => checkOutboundTrunk(outbound({ address: '' })), /no outbound address specified/],
    [() => checkOutboundTrunk(outbound({ address: 'sip:a@b' })), /trunk address should be a hostname or IP/],
    [() => checkOutboundTrunk(outbound({ address: 'a;transport=tls' })), /should not contain transport parameter/],
    [() => checkOutboundTrunk(outbound({ fromHost: 'a@b' })), /from_host should be/],
    [
      () => checkOutboundTrunk(outbound({ media: new SIPMediaConfig({ codecs: [{ name: 'a/8000' }] }) })),
      /codec name must not contain/,
    ],
    [
      () =>
        checkOutboundTrunk(outbound({ media: new SIPMediaConfig({ mediaTimeout: new Duration({ seconds: 601n }) }) })),
      /media_timeout must not exceed/,
    ],
  ];
  for (const [check, text] of cases) assert.throws(check, says(text));
});

test('two trunks can not claim the same call', () => {
  const claimed = [inbound('ST_1', { numbers: ['+1555'] })];
  assert.throws(
    () => checkTrunkConflicts([...claimed, inbound('', { numbers: ['1 555'] })]),
    says(/"<new>" and "ST_1"/),
  );
  checkTrunkConflicts([...claimed, inbound('', { numbers: ['+1556'] })]);
  checkTrunkConflicts([...claimed, inbound('', { numbers: ['+1555'], allowedNumbers: ['+7'] })]);
  checkTrunkConflicts([...claimed, inbound('', {})]);
  const callers = inbound('ST_2', { numbers: ['+1555'], allowedNumbers: ['+7', '+8'] });
  assert.throws(
    () => checkTrunkConflicts([callers, inbound('ST_3', { numbers: ['+1555'], allowedNumbers: ['8'] })]),
    says(/and AllowedNumber "8"/),
  );
  assert.throws(
    () => checkTrunkConflicts([inbound('ST_4'), inbound('ST_5')]),
    says(/<any> without AllowedNumbers set/),
  );
});

test('a call takes the trunk of its number before the one for all', () => {
  const forAll = inbound('ST_all');
  const forNumber = inbound('ST_one', { numbers: ['+15550199'] });
  assert.equal(matchTrunk([forAll, forNumber], call())?.sipTrunkId, 'ST_one');
  assert.equal(matchTrunk([forAll, forNumber], call({ to: '15550199' }))?.sipTrunkId, 'ST_one');
  assert.equal(matchTrunk([forAll, forNumber], call({ to: '+9' }))?.sipTrunkId, 'ST_all');
  assert.equal(matchTrunk([forNumber], call({ to: '+9' })), undefined);
  assert.equal(matchTrunk([], call()), undefined);
});

test('a call that several trunks would take is refused', () => {
  const number = { numbers: ['+15550199'] };
  const several = says(/^Multiple SIP Trunks matched for "\+15550199"$/, 'failed_precondition');
  assert.throws(() => matchTrunk([inbound('ST_1', number), inbound('ST_2', number)], call()), several);
  const defaults = says(/^Multiple default SIP Trunks/, 'failed_precondition');
  assert.throws(() => matchTrunk([inbound('ST_1'), inbound('ST_2')], call()), defaults);
});

test('callers and sources that a trunk does not allow are not its own', () => {
  const allowed = (fields: Partial<SIPInboundTrunkInfo>, of: InboundCall) =>
    matchTrunk([inbound('ST_1', fields)], of) !== undefined;
  assert.ok(allowed({ allowedNumbers: ['1 555 0100'] }, call()));
  assert.ok(!allowed({ allowedNumbers: ['+1'] }, call()));
  assert.ok(allowed({ allowedAddresses: ['198.51.100.0/24'] }, call()));
  assert.ok(allowed({ allowedAddresses: ['198.51.100.1'] }, call()));
  assert.ok(allowed({ allowedAddresses: ['sip.example.com'] }, call()));
  assert.ok(allowed({ allowedAddresses: ['2001:db8::/32'] }, call({ sourceIp: '2001:db8::7' })));
  assert.ok(!allowed({ allowedAddresses: ['192.0.2.0/24', 'other.example.com'] }, call()));
  assert.ok(!allowed({ allowedAddresses: ['198.51.100.0/33'] }, call()));
  // What can't be an address says nothing.
  assert.ok(allowed({ allowedAddresses: ['sip://example.com'] }, call()));
});

test('an update changes what it names, and nothing that contradicts itself', () => {
  const trunk = inbound('ST_1', { numbers: ['+1', '+2'], name: 'old', authUsername: 'u' });
  const update = new SIPInboundTrunkUpdate({
    name: 'new',
    numbers: new ListUpdate({ add: ['+3', '+1'], remove: ['+2'] }),
    media: new SIPMediaConfig({ encryption: SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE }),
  });
  const next = updatedInboundTrunk(trunk, update);
  assert.deepEqual([next.numbers, next.name, next.authUsername], [['+1', '+3'], 'new', 'u']);
  assert.equal(next.mediaEncryption, SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE);
  assert.deepEqual(trunk.numbers, ['+1', '+2']);
  const faults: [ConstructorParameters<typeof ListUpdate>[0], RegExp][] = [
    [{}, /unsupported list update/],
    [{ clear: true, add: ['a'] }, /cannot clear and change/],
    [{ set: ['a'], add: ['b'] }, /cannot set and change/],
    [{ set: [''] }, /empty element/],
  ];
  for (const [numbers, text] of faults) {
    const wrong = new SIPInboundTrunkUpdate({ numbers: new ListUpdate(numbers) });
    assert.throws(() => updatedInboundTrunk(trunk, wrong), says(text));
  }
});

test('media of a call is that of the trunk with that of the rule over it', () => {
  const base = new SIPMediaConfig({
    encryption: SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW,
    codecs: [{ name: 'PCMU' }],
    onlyListedCodecs: true,
  });
  const merged = mergeMedia(base, new SIPMediaConfig({ encryption: SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE }));
  assert.equal(merged?.encryption, SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW);
  assert.deepEqual([merged?.codecs[0]?.name, merged?.onlyListedCodecs], ['PCMU', true]);
  assert.equal(mergeMedia(undefined, undefined), undefined);
});

test('trunks of former times are read as those of today, and told the other way', () => {
  const former = new SIPTrunkInfo({
    sipTrunkId: 'ST_1',
    outboundNumber: '+1',
    outboundAddress: 'sip.example.com',
    inboundAddresses: ['192.0.2.1'],
    inboundNumbers: ['+7'],
    outboundUsername: 'out',
    inboundUsername: 'in',
  });
  const one = inboundOf(former);
  assert.deepEqual([one?.numbers, one?.allowedAddresses, one?.allowedNumbers], [['+1'], ['192.0.2.1'], ['+7']]);
  assert.equal(outboundOf(former)?.authUsername, 'out');
  assert.equal(trunkOf(inbound('ST_2', { numbers: ['+1', '+2'] })).outboundNumber, '+1');
  assert.equal(inboundOf(new SIPTrunkInfo({ kind: Kind.TRUNK_OUTBOUND })), undefined);
  assert.equal(outboundOf(new SIPTrunkInfo({ kind: Kind.TRUNK_INBOUND })), undefined);
});
