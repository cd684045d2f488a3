import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  SIPDispatchRule,
  SIPDispatchRuleInfo,
  SIPDispatchRuleUpdate,
  SIPFeature,
  SIPInboundTrunkInfo,
  SIPUri,
} from '@livekit/protocol';
import type { InboundCall } from './call.ts';
import { checkRuleConflicts, matchDispatchRule, priorityOf, updatedDispatchRule } from './dispatch-rules.ts';
import { evaluate, RESULT } from './evaluate.ts';

type Kind = 'dispatchRuleDirect' | 'dispatchRuleIndividual' | 'dispatchRuleCallee';
type Fields = Partial<ConstructorParameters<typeof SIPDispatchRuleInfo>[0]> & { room?: string; pin?: string };

function rule(id: string, kind: Kind = 'dispatchRuleDirect', { room = 'room', pin = '', ...fields }: Fields = {}) {
  const value = kind === 'dispatchRuleDirect' ? { roomName: room, pin } : { roomPrefix: room, pin };
  const inner = new SIPDispatchRule({ rule: { case: kind, value } as never });
  return new SIPDispatchRuleInfo({ sipDispatchRuleId: id, rule: inner, ...fields });
}

const trunk = new SIPInboundTrunkInfo({ sipTrunkId: 'ST_1', numbers: ['+15550199'], headers: { 'X-A': 'b' } });
const caller = { callingNumber: '+15550100', calledNumber: '+15550199', pin: '', noPin: false };
const call: InboundCall = {
  id: 'SCL_1',
  sourceIp: '',
  from: new SIPUri({ user: '+15550100', host: 'sip.example.com' }),
  to: new SIPUri({ user: '+15550199' }),
};
const chosen = (rules: SIPDispatchRuleInfo[], of: Partial<typeof caller> = {}, by: typeof trunk | undefined = trunk) =>
  matchDispatchRule(by, rules, { ...caller, ...of })?.sipDispatchRuleId;
const meet = (of: SIPDispatchRuleInfo, more: { pin?: string; extraAttributes?: Record<string, string> } = {}) =>
  evaluate({ call, trunk, askedTrunkId: '', rule: of, pin: '', extraAttributes: {}, ...more });

test('rules for the same trunk, numbers and PIN contradict each other', () => {
  const text = { code: 'invalid_argument', message: /already exists in dispatch rule "SDR_1" "<blank name>"$/ };
  assert.throws(() => checkRuleConflicts([rule('SDR_1'), rule('')]), text);
  const trunks = { trunkIds: ['ST_1', 'ST_2'] };
  assert.throws(
    () =>
      checkRuleConflicts([rule('SDR_1', 'dispatchRuleDirect', trunks), rule('', undefined, { trunkIds: ['ST_2'] })]),
    text,
  );
  checkRuleConflicts([
    rule('SDR_1'),
    rule('SDR_2', 'dispatchRuleDirect', { pin: '1' }),
    rule('SDR_3', 'dispatchRuleDirect', trunks),
    rule('SDR_4', 'dispatchRuleDirect', { inboundNumbers: ['+1'] }),
    rule('SDR_5', 'dispatchRuleDirect', { numbers: ['+1'] }),
  ]);
});

test('priorities: with PIN, direct, individual, callee, and for certain numbers first', () => {
  const certain = { inboundNumbers: ['+1'], numbers: ['+2'] };
  const ranks = [
    priorityOf(rule('', 'dispatchRuleDirect', { pin: '1', ...certain })),
    priorityOf(rule('', 'dispatchRuleIndividual', { pin: '1', ...certain })),
    priorityOf(rule('', 'dispatchRuleCallee', { pin: '1', ...certain })),
    priorityOf(rule('', 'dispatchRuleDirect', certain)),
    priorityOf(rule('', 'dispatchRuleIndividual', certain)),
    priorityOf(rule('', 'dispatchRuleCallee', { numbers: ['+2'] })),
    priorityOf(rule('')),
  ];
  assert.deepEqual(ranks, [0, 1, 2, 100, 101, 1102, 2100]);
});

test('rules of the trunk come before rules for any, and without a trunk only those count', () => {
  const own = rule('SDR_own', 'dispatchRuleCallee', { trunkIds: ['ST_1'] });
  const any = rule('SDR_any');
  assert.equal(chosen([any, own]), 'SDR_own');
  assert.equal(matchDispatchRule(undefined, [any, own], caller)?.sipDispatchRuleId, 'SDR_any');
  assert.equal(chosen([rule('', 'dispatchRuleDirect', { trunkIds: ['ST_2'] })]), undefined);
  assert.equal(chosen([]), undefined);
});

test('numbers narrow a rule down', () => {
  const rules = [rule('SDR_in', undefined, { inboundNumbers: ['+15550100'] }), rule('SDR_all')];
  assert.equal(chosen(rules), 'SDR_in');
  assert.equal(chosen(rules, { callingNumber: '+7' }), 'SDR_all');
  assert.equal(chosen([rule('SDR_to', undefined, { numbers: ['+7'] })]), undefined);
  assert.equal(
    chosen([rule('SDR_b', undefined, { room: 'b', pin: '1' }), rule('SDR_a', undefined, { room: 'a', pin: '2' })]),
    'SDR_a',
  );
});

test('a PIN leads to its rule alone, and none to open ones alone', () => {
  const rules = [rule('SDR_pin', undefined, { pin: '1234' }), rule('SDR_open')];
  assert.equal(chosen(rules), 'SDR_pin');
  assert.equal(chosen(rules, { pin: '1234' }), 'SDR_pin');
  assert.equal(chosen(rules, { pin: '9' }), undefined);
  assert.equal(chosen(rules, { noPin: true }), 'SDR_open');
});

test('who needs a PIN is asked for it, and a wrong one is refused', () => {
  const locked = rule('SDR_1', undefined, { pin: '1234' });
  const asked = meet(locked);
  assert.deepEqual([asked.result, asked.requestPin, asked.roomName], [RESULT.REQUEST_PIN, true, '']);
  assert.equal(meet(locked, { pin: '1234' }).result, RESULT.ACCEPT);
  assert.throws(() => meet(locked, { pin: '1' }), { code: 'permission_denied', message: 'Incorrect PIN for SIP room' });
});

test('an accepted call has an identity, attributes and the settings of its trunk', () => {
  const told = meet(rule('SDR_1', undefined, { metadata: 'm', attributes: { a: '1', b: '2' }, krispEnabled: true }), {
    extraAttributes: { b: '3' },
  });
  assert.deepEqual([told.result, told.roomName, told.sipTrunkId], [RESULT.ACCEPT, 'room', 'ST_1']);
  assert.deepEqual([told.participantIdentity, told.participantName], ['sip_+15550100', 'Phone +15550100']);
  assert.deepEqual(told.participantAttributes, {
    a: '1',
    b: '3',
    'sip.callID': 'SCL_1',
    'sip.trunkID': 'ST_1',
    'sip.ruleID': 'SDR_1',
    'sip.phoneNumber': '+15550100',
    'sip.hostname': 'sip.example.com',
    'sip.trunkPhoneNumber': '+15550199',
  });
  assert.deepEqual([told.headers, told.enabledFeatures], [{ 'X-A': 'b' }, [SIPFeature.KRISP_ENABLED]]);
});

test('a call by a trunk that is gone keeps the name of that trunk', () => {
  const told = evaluate({
    call,
    trunk: undefined,
    askedTrunkId: 'ST_gone',
    rule: rule('SDR_1'),
    pin: '',
    extraAttributes: {},
  });
  assert.deepEqual([told.sipTrunkId, told.participantAttributes['sip.trunkID']], ['', 'ST_gone']);
});

test('a hidden number is in no field, and its identity stays the same', () => {
  const hidden = rule('SDR_1', 'dispatchRuleIndividual', { hidePhoneNumber: true });
  const told = meet(hidden);
  assert.equal(told.participantName, 'Phone 0100');
  assert.match(told.participantIdentity, /^sip_[0-9a-f]{16}$/);
  assert.equal(told.participantIdentity, meet(hidden).participantIdentity);
  assert.ok(!told.toJsonString().includes('5550100'));
});

test('rooms of callers and of called numbers', () => {
  assert.match(meet(rule('', 'dispatchRuleIndividual', { room: 'p' })).roomName, /^p_\+15550100_\w{12}$/);
  assert.match(meet(rule('', 'dispatchRuleIndividual', { room: '' })).roomName, /^\+15550100_\w{12}$/);
  assert.equal(meet(rule('', 'dispatchRuleCallee', { room: 'p' })).roomName, 'p_+15550199');
});

test('an update replaces the rule and removes empty attributes', () => {
  const current = rule('SDR_1', undefined, { attributes: { a: '1', b: '2' } });
  const update = new SIPDispatchRuleUpdate({
    rule: rule('', 'dispatchRuleCallee').rule as never,
    attributes: { a: '' },
  });
  const next = updatedDispatchRule(current, update);
  assert.equal(next.rule?.rule.case, 'dispatchRuleCallee');
  assert.deepEqual(next.attributes, { b: '2' });
  assert.deepEqual(current.attributes, { a: '1', b: '2' });
});
