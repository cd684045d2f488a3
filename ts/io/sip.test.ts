import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Any, Empty } from '@bufbuild/protobuf';
import {
  SIPDispatchRule,
  SIPDispatchRuleInfo,
  SIPInboundTrunkInfo,
  SIPStatus,
  SIPStatusCode,
  SIPTrunkInfo,
  SIPUri,
} from '@livekit/protocol';
import {
  EvaluateSIPDispatchRulesRequest,
  GetSIPTrunkAuthenticationRequest,
  type InternalCreateSIPParticipantRequest,
  InternalCreateSIPParticipantResponse,
  type InternalTransferSIPParticipantRequest,
  SIPCall,
} from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { IOInfo, SIPInternal } from '../psrpc/services.ts';
import { WorkerScene } from './testing/worker-scene.ts';

const OUTBOUND = { name: 'out', address: 'sip.example.com', numbers: ['+15550111'], auth_username: 'u' };

async function run(steps: (scene: WorkerScene) => Promise<void>): Promise<void> {
  const scene = await WorkerScene.start();
  try {
    await steps(scene);
  } finally {
    await scene.close();
  }
}

test('each method needs its grant', () =>
  run(async (scene) => {
    const denied = { code: 'unauthenticated', msg: 'permissions denied' };
    for (const name of ['CreateSIPInboundTrunk', 'ListSIPTrunk', 'DeleteSIPDispatchRule', 'GetSIPOutboundTrunk']) {
      assert.deepEqual((await scene.call(`SIP/${name}`, {}, {}, { call: true })).json, denied, name);
    }
    assert.deepEqual((await scene.call('SIP/CreateSIPParticipant', {}, {}, { admin: true })).json, denied);
    const transfer = { room_name: 'meeting', participant_identity: 'phone', transfer_to: 'tel:+1' };
    assert.deepEqual((await scene.call('SIP/TransferSIPParticipant', transfer, {}, { call: true })).json, denied);
  }));

test('trunks are created, changed, read, listed and removed', () =>
  run(async (scene) => {
    const inbound = await scene.call('SIP/CreateSIPInboundTrunk', { trunk: { name: 'in', numbers: ['+15550199'] } });
    const outbound = await scene.call('SIP/CreateSIPOutboundTrunk', { trunk: OUTBOUND });
    const former = await scene.call('SIP/CreateSIPTrunk', { outbound_number: '+15550155', inbound_numbers: ['+7'] });
    for (const { json } of [inbound, outbound, former]) assert.match(json.sip_trunk_id, /^ST_\w{12}$/);
    const id = inbound.json.sip_trunk_id;

    const changed = await scene.call('SIP/UpdateSIPInboundTrunk', {
      sip_trunk_id: id,
      update: { name: 'changed', numbers: { add: ['+15550198'] } },
    });
    assert.deepEqual([changed.json.name, changed.json.numbers], ['changed', ['+15550199', '+15550198']]);
    const replaced = await scene.call('SIP/UpdateSIPOutboundTrunk', {
      sip_trunk_id: outbound.json.sip_trunk_id,
      replace: { ...OUTBOUND, name: 'other' },
    });
    assert.deepEqual([replaced.json.name, replaced.json.sip_trunk_id], ['other', outbound.json.sip_trunk_id]);

    const got = await scene.call('SIP/GetSIPInboundTrunk', { sip_trunk_id: id });
    assert.equal(got.json.trunk.name, 'changed');
    const listed = await scene.call('SIP/ListSIPInboundTrunk', { numbers: ['15550198'] });
    assert.deepEqual(
      listed.json.items.map((item: { sip_trunk_id: string }) => item.sip_trunk_id),
      [id],
    );
    assert.equal((await scene.call('SIP/ListSIPTrunk', {})).json.items.length, 3);
    // Those of former times are of both kinds.
    assert.equal((await scene.call('SIP/ListSIPOutboundTrunk', {})).json.items.length, 2);

    await scene.call('SIP/DeleteSIPTrunk', { sip_trunk_id: id });
    const gone = await scene.call('SIP/GetSIPInboundTrunk', { sip_trunk_id: id });
    assert.deepEqual([gone.status, gone.json.msg], [404, 'requested sip trunk does not exist']);
  }));

test('lists are sorted by id and come in pages', () =>
  run(async (scene) => {
    for (const id of ['ST_c', 'ST_a', 'ST_b']) await scene.sipStore.storeTrunk(new SIPTrunkInfo({ sipTrunkId: id }));
    const ids = async (page: object) =>
      (await scene.call('SIP/ListSIPTrunk', page)).json.items.map(
        (item: { sip_trunk_id: string }) => item.sip_trunk_id,
      );
    assert.deepEqual(await ids({}), ['ST_a', 'ST_b', 'ST_c']);
    assert.deepEqual(await ids({ page: { limit: 2 } }), ['ST_a', 'ST_b']);
    assert.deepEqual(await ids({ page: { after_id: 'ST_b', limit: 2 } }), ['ST_c']);
  }));

test('what can not be is refused with its reason', () =>
  run(async (scene) => {
    await scene.call('SIP/CreateSIPInboundTrunk', { trunk: { numbers: ['+1'] } });
    const cases: [string, object, RegExp][] = [
      ['CreateSIPTrunk', { inbound_numbers_regex: ['.*'] }, /InboundNumbersRegex are deprecated/],
      ['CreateSIPInboundTrunk', {}, /^missing trunk$/],
      ['CreateSIPInboundTrunk', { trunk: {} }, /^for security/],
      ['CreateSIPInboundTrunk', { trunk: { numbers: ['1'] } }, /^Conflicting inbound SIP Trunks/],
      ['UpdateSIPInboundTrunk', {}, /^trunk id must be set$/],
      ['UpdateSIPOutboundTrunk', { sip_trunk_id: 'ST_1' }, /^missing or unsupported update action$/],
      ['CreateSIPDispatchRule', { trunk_ids: [] }, /^missing rule$/],
      ['CreateSIPParticipant', { sip_number: '+1' }, /^missing sip callee number$/],
      ['CreateSIPParticipant', { sip_call_to: '+2' }, /^missing sip trunk id and sip number$/],
      ['CreateSIPParticipant', { sip_number: '+1', sip_call_to: 'a@b' }, /not a full SIP URI$/],
      ['CreateSIPParticipant', { sip_number: '+1', sip_call_to: '+2' }, /^missing room name$/],
    ];
    for (const [name, request, text] of cases) {
      const { status, json } = await scene.call(`SIP/${name}`, request);
      assert.deepEqual([status, json.code], [400, 'invalid_argument'], `${name}: ${json.msg}`);
      assert.match(json.msg, text);
    }
  }));

test('a call out tells the worker all of its trunk, and the caller who it is', () =>
  run(async (scene) => {
    const trunk = (await scene.call('SIP/CreateSIPOutboundTrunk', { trunk: OUTBOUND })).json;
    const asked: InternalCreateSIPParticipantRequest[] = [];
    await scene.worker.handle(SIPInternal.CreateSIPParticipant, '', async (request) => {
      asked.push(request);
      const { participantIdentity, sipCallId } = request;
      return new InternalCreateSIPParticipantResponse({ participantId: 'PA_1', participantIdentity, sipCallId });
    });
    const { json } = await scene.call('SIP/CreateSIPParticipant', {
      sip_trunk_id: trunk.sip_trunk_id,
      sip_call_to: '+15550122',
      room_name: 'meeting',
      participant_attributes: { a: 'b' },
    });
    assert.match(json.sip_call_id, /^SCL_\w{12}$/);
    assert.deepEqual([json.participant_identity, json.room_name], ['sip_+15550122', 'meeting']);
    const [call] = asked;
    assert.deepEqual([call?.address, call?.number, call?.username], ['sip.example.com', '+15550111', 'u']);
    assert.deepEqual(call?.participantAttributes, {
      a: 'b',
      'sip.callID': json.sip_call_id,
      'sip.trunkID': trunk.sip_trunk_id,
      'sip.phoneNumber': '+15550122',
      'sip.hostname': 'sip.example.com',
      'sip.trunkPhoneNumber': '+15550111',
    });
  }));

test('what the other end answered is in the error', () =>
  run(async (scene) => {
    const busy = new SIPStatus({ code: SIPStatusCode.SIP_STATUS_BUSY_HERE, status: 'Busy' });
    await scene.worker.handle(SIPInternal.CreateSIPParticipant, '', async () => {
      throw new RpcError('resource_exhausted', 'sip status 486: Busy', undefined, { details: [Any.pack(busy)] });
    });
    const { status, json } = await scene.call('SIP/CreateSIPParticipant', {
      sip_number: '+15550111',
      sip_call_to: '+15550122',
      room_name: 'meeting',
    });
    assert.deepEqual([status, json.code], [429, 'resource_exhausted']);
    assert.deepEqual([json.meta.sip_status_code, json.meta.sip_status], ['486', 'Busy']);
    assert.ok(Buffer.from(json.meta.error_details, 'base64').includes('livekit.SIPStatus'));
  }));

test('an answer without words is told by the name of its code', () =>
  run(async (scene) => {
    const codes = [SIPStatusCode.SIP_STATUS_BUSY_HERE, 699 as SIPStatusCode];
    await scene.worker.handle(SIPInternal.CreateSIPParticipant, '', async () => {
      const status = new SIPStatus({ code: codes.shift() ?? 0 });
      throw new RpcError('resource_exhausted', 'no', undefined, { details: [Any.pack(status)] });
    });
    const request = { sip_number: '+15550111', sip_call_to: '+15550122', room_name: 'meeting' };
    const told = async () => (await scene.call('SIP/CreateSIPParticipant', request)).json.meta.sip_status;
    assert.deepEqual([await told(), await told()], ['SIP_STATUS_BUSY_HERE', '699']);
  }));

test('trunks and rules that contradict each other already hold up no other', () =>
  run(async (scene) => {
    const { sipStore } = scene;
    for (const sipTrunkId of ['ST_1', 'ST_2']) {
      await sipStore.storeInboundTrunk(new SIPInboundTrunkInfo({ sipTrunkId, numbers: ['+1'] }));
    }
    const rule = new SIPDispatchRule({ rule: { case: 'dispatchRuleDirect', value: { roomName: 'a' } } });
    for (const sipDispatchRuleId of ['SDR_1', 'SDR_2']) {
      await sipStore.storeDispatchRule(new SIPDispatchRuleInfo({ sipDispatchRuleId, rule, trunkIds: ['ST_1'] }));
    }
    assert.equal((await scene.call('SIP/CreateSIPInboundTrunk', { trunk: { numbers: ['+2'] } })).status, 200);
    const again = await scene.call('SIP/CreateSIPInboundTrunk', { trunk: { numbers: ['+1'] } });
    assert.match(again.json.msg, /"<new>" and "ST_1"/);
    const direct = { rule: { dispatch_rule_direct: { room_name: 'b' } }, trunk_ids: ['ST_2'] };
    assert.equal((await scene.call('SIP/CreateSIPDispatchRule', { dispatch_rule: direct })).status, 200);
    const repair = { sip_dispatch_rule_id: 'SDR_1', update: { trunk_ids: { set: ['ST_3'] } } };
    assert.equal((await scene.call('SIP/UpdateSIPDispatchRule', repair)).status, 200);
  }));

test('a transfer goes to the worker of the call', () =>
  run(async (scene) => {
    const asked: InternalTransferSIPParticipantRequest[] = [];
    await scene.worker.handle(SIPInternal.TransferSIPParticipant, 'SCL_1', async (request) => {
      asked.push(request);
      return new Empty();
    });
    const transfer = (participant_identity: string, transfer_to: string) =>
      scene.call('SIP/TransferSIPParticipant', { room_name: 'meeting', participant_identity, transfer_to });
    assert.deepEqual((await transfer('phone', 'sip:bob@example.com')).json, {});
    assert.deepEqual([asked[0]?.transferTo, asked[0]?.ringingTimeout?.seconds], ['<sip:bob@example.com>', 30n]);
    assert.equal((await transfer('phone', 'bob')).json.code, 'invalid_argument');
    assert.equal((await transfer('alice', 'tel:+1')).json.msg, 'no SIP session associated with participant');
    assert.equal((await transfer('nobody', 'tel:+1')).json.code, 'not_found');
  }));

test('a worker is told the password of the trunk, and where its call goes', () =>
  run(async (scene) => {
    const { json: trunk } = await scene.call('SIP/CreateSIPInboundTrunk', {
      trunk: { numbers: ['+15550199'], auth_username: 'user', auth_password: 'secret', auth_realm: 'realm' },
    });
    const call = new SIPCall({
      lkCallId: 'SCL_9',
      sourceIp: '198.51.100.7',
      from: new SIPUri({ user: '+15550100', host: 'carrier.example' }),
      to: new SIPUri({ user: '+15550199' }),
    });
    const authentication = new GetSIPTrunkAuthenticationRequest({ call });
    const told = await scene.asking.call(IOInfo.GetSIPTrunkAuthentication, '', authentication);
    assert.deepEqual(
      [told.username, told.password, told.realm, told.sipTrunkId],
      ['user', 'secret', 'realm', trunk.sip_trunk_id],
    );

    const ask = new EvaluateSIPDispatchRulesRequest({ sipTrunkId: trunk.sip_trunk_id, call });
    const dropped = await scene.asking.call(IOInfo.EvaluateSIPDispatchRules, '', ask);
    assert.deepEqual([dropped.result, dropped.sipTrunkId], [4, trunk.sip_trunk_id]);

    const rule = await scene.call('SIP/CreateSIPDispatchRule', {
      dispatch_rule: { rule: { dispatch_rule_direct: { room_name: 'support' } }, trunk_ids: [trunk.sip_trunk_id] },
    });
    assert.match(rule.json.sip_dispatch_rule_id, /^SDR_\w{12}$/);
    const accepted = await scene.asking.call(IOInfo.EvaluateSIPDispatchRules, '', ask);
    assert.deepEqual([accepted.result, accepted.roomName], [1, 'support']);
    assert.equal(accepted.participantAttributes['sip.ruleID'], rule.json.sip_dispatch_rule_id);

    // As older SIP services ask.
    const legacy = new EvaluateSIPDispatchRulesRequest({
      sipCallId: 'SCL_9',
      callingNumber: '+15550100',
      calledNumber: '+15550199',
      srcAddress: '198.51.100.7:5060',
    });
    assert.equal((await scene.asking.call(IOInfo.EvaluateSIPDispatchRules, '', legacy)).roomName, 'support');
    const stranger = new GetSIPTrunkAuthenticationRequest({ from: '+1', to: '+2', srcAddress: '198.51.100.7' });
    assert.equal((await scene.asking.call(IOInfo.GetSIPTrunkAuthentication, '', stranger)).sipTrunkId, '');
  }));

test('rules are changed, listed and removed', () =>
  run(async (scene) => {
    const created = await scene.call('SIP/CreateSIPDispatchRule', {
      rule: { dispatch_rule_individual: { room_prefix: 'call' } },
      name: 'first',
    });
    const id = created.json.sip_dispatch_rule_id;
    const again = await scene.call('SIP/CreateSIPDispatchRule', { rule: { dispatch_rule_direct: { room_name: 'x' } } });
    assert.match(again.json.msg, /already exists in dispatch rule "SDR_\w+" "first"$/);
    const changed = await scene.call('SIP/UpdateSIPDispatchRule', {
      sip_dispatch_rule_id: id,
      update: { name: 'second', attributes: { a: 'b' } },
    });
    assert.deepEqual([changed.json.name, changed.json.attributes], ['second', { a: 'b' }]);
    assert.equal((await scene.call('SIP/ListSIPDispatchRule', { dispatch_rule_ids: [id] })).json.items.length, 1);
    assert.equal((await scene.call('SIP/ListSIPDispatchRule', { dispatch_rule_ids: ['SDR_x'] })).json.items.length, 0);
    assert.equal((await scene.call('SIP/DeleteSIPDispatchRule', { sip_dispatch_rule_id: id })).json.name, 'second');
    assert.equal((await scene.call('SIP/DeleteSIPDispatchRule', { sip_dispatch_rule_id: id })).status, 404);
  }));
