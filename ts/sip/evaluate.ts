/** What becomes of a call that a dispatch rule takes. */

import { createHash } from 'node:crypto';
import { type SIPDispatchRuleInfo, SIPFeature, type SIPInboundTrunkInfo, SIPMediaConfig } from '@livekit/protocol';
import { EvaluateSIPDispatchRulesResponse } from '../gen/rpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { ATTRIBUTES } from './attributes.ts';
import type { InboundCall } from './call.ts';
import { pinAndRoom } from './dispatch-rules.ts';
import { mergeMedia, upgraded } from './media.ts';

/** `result` of the response. */
export const RESULT = { ACCEPT: 1, REQUEST_PIN: 2, REJECT: 3, DROP: 4 } as const;

export interface Evaluated {
  readonly call: InboundCall;
  readonly trunk: SIPInboundTrunkInfo | undefined;
  /** What the worker took the trunk for; empty where it did not say. */
  readonly askedTrunkId: string;
  readonly rule: SIPDispatchRuleInfo;
  readonly pin: string;
  readonly extraAttributes: Readonly<Record<string, string>>;
}

/** Throws `permission_denied` for a wrong PIN. */
export function evaluate(asked: Evaluated): EvaluateSIPDispatchRulesResponse {
  const { call, trunk, rule, pin, extraAttributes } = asked;
  const sipTrunkId = trunk?.sipTrunkId ?? '';
  const media = mediaOf(trunk, rule);
  const response = new EvaluateSIPDispatchRulesResponse({
    sipTrunkId,
    sipDispatchRuleId: rule.sipDispatchRuleId,
    media,
    mediaEncryption: media.encryption ?? 0,
  });
  const wanted = pinAndRoom(rule).pin;
  if (wanted !== '' && pin === '') {
    response.result = RESULT.REQUEST_PIN;
    response.requestPin = true;
    return response;
  }
  if (wanted !== '' && wanted !== pin) throw new RpcError('permission_denied', 'Incorrect PIN for SIP room');

  const caller = callerOf(call, rule);
  response.result = RESULT.ACCEPT;
  response.roomName = roomOf(rule, caller.shown, call.to.user);
  response.participantIdentity = caller.identity;
  response.participantName = `Phone ${caller.shown}`;
  response.participantMetadata = rule.metadata;
  response.participantAttributes = {
    ...rule.attributes,
    ...extraAttributes,
    [ATTRIBUTES.callId]: call.id,
    [ATTRIBUTES.trunkId]: trunk?.sipTrunkId ?? asked.askedTrunkId,
    ...caller.attributes,
    [ATTRIBUTES.ruleId]: rule.sipDispatchRuleId,
  };
  response.roomPreset = rule.roomPreset;
  if (rule.roomConfig !== undefined) response.roomConfig = rule.roomConfig;
  if (trunk !== undefined) addTrunkSettings(response, trunk);
  if (trunk?.krispEnabled === true || rule.krispEnabled) response.enabledFeatures = [SIPFeature.KRISP_ENABLED];
  return response;
}

function mediaOf(trunk: SIPInboundTrunkInfo | undefined, rule: SIPDispatchRuleInfo): SIPMediaConfig {
  const own = trunk === undefined ? undefined : upgraded(trunk.media?.clone(), trunk.mediaEncryption);
  return mergeMedia(own, upgraded(rule.media?.clone(), rule.mediaEncryption)) ?? new SIPMediaConfig();
}

interface Shown {
  readonly identity: string;
  /** The number, or its end. */
  readonly shown: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Who hides the number still gets the same identity with each call. */
function callerOf({ from, to }: InboundCall, rule: SIPDispatchRuleInfo): Shown {
  if (!rule.hidePhoneNumber) {
    return {
      identity: `sip_${from.user}`,
      shown: from.user,
      attributes: {
        [ATTRIBUTES.phoneNumber]: from.user,
        [ATTRIBUTES.hostName]: from.host,
        [ATTRIBUTES.trunkNumber]: to.user,
      },
    };
  }
  const hash = createHash('sha256').update(from.user).digest().subarray(0, 8).toString('hex');
  return { identity: `sip_${hash}`, shown: from.user.slice(from.user.length <= 4 ? -1 : -4), attributes: {} };
}

function roomOf({ rule }: SIPDispatchRuleInfo, caller: string, called: string): string {
  const kind = rule?.rule;
  const prefixed = (prefix: string, name: string) => (prefix === '' ? name : `${prefix}_${name}`);
  switch (kind?.case) {
    case 'dispatchRuleDirect':
      return kind.value.roomName;
    case 'dispatchRuleIndividual': {
      const name = prefixed(kind.value.roomPrefix, caller);
      return kind.value.noRandomness ? name : `${name}_${newGuid('')}`;
    }
    case 'dispatchRuleCallee': {
      const name = prefixed(kind.value.roomPrefix, called);
      return kind.value.randomize ? `${name}_${newGuid('')}` : name;
    }
    default:
      return '';
  }
}

function addTrunkSettings(response: EvaluateSIPDispatchRulesResponse, trunk: SIPInboundTrunkInfo): void {
  response.headers = trunk.headers;
  response.headersToAttributes = trunk.headersToAttributes;
  response.attributesToHeaders = trunk.attributesToHeaders;
  response.includeHeaders = trunk.includeHeaders;
  if (trunk.ringingTimeout !== undefined) response.ringingTimeout = trunk.ringingTimeout;
  if (trunk.maxCallDuration !== undefined) response.maxCallDuration = trunk.maxCallDuration;
}
