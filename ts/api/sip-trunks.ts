/** Trunks and dispatch rules of `livekit.SIP` (livekit-facts 5.6). */

import {
  type CreateSIPDispatchRuleRequest,
  type CreateSIPInboundTrunkRequest,
  type CreateSIPOutboundTrunkRequest,
  type CreateSIPTrunkRequest,
  type DeleteSIPDispatchRuleRequest,
  type DeleteSIPTrunkRequest,
  type GetSIPInboundTrunkRequest,
  GetSIPInboundTrunkResponse,
  type GetSIPOutboundTrunkRequest,
  GetSIPOutboundTrunkResponse,
  type ListSIPDispatchRuleRequest,
  ListSIPDispatchRuleResponse,
  type ListSIPInboundTrunkRequest,
  ListSIPInboundTrunkResponse,
  type ListSIPOutboundTrunkRequest,
  ListSIPOutboundTrunkResponse,
  type ListSIPTrunkRequest,
  ListSIPTrunkResponse,
  SIPDispatchRuleInfo,
  type SIPInboundTrunkInfo,
  type SIPOutboundTrunkInfo,
  SIPTrunkInfo,
  type UpdateSIPDispatchRuleRequest,
  type UpdateSIPInboundTrunkRequest,
  type UpdateSIPOutboundTrunkRequest,
} from '@livekit/protocol';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { checkDispatchRule, checkRuleAmong, updatedDispatchRule } from '../sip/dispatch-rules.ts';
import { invalid } from '../sip/invalid.ts';
import { upgradeMedia } from '../sip/media.ts';
import { sameNumber } from '../sip/number.ts';
import {
  checkInboundTrunk,
  checkOutboundTrunk,
  checkTrunkAmong,
  inboundOf,
  updatedInboundTrunk,
  updatedOutboundTrunk,
} from '../sip/trunks.ts';
import type { SipRecords } from './sip-service.ts';

type Ids = readonly string[];

/** Every method's work; grants are checked before. */
export class SipTrunks {
  readonly #records: SipRecords;

  constructor(records: SipRecords) {
    this.#records = records;
  }

  /** Of former times: both directions in one. */
  async create(request: CreateSIPTrunkRequest): Promise<SIPTrunkInfo> {
    if (request.inboundNumbersRegex.length > 0) {
      throw invalid('Trunks with InboundNumbersRegex are deprecated. Use InboundNumbers instead.');
    }
    const trunk = new SIPTrunkInfo({ ...request });
    const inbound = inboundOf(trunk);
    if (inbound !== undefined) checkTrunkAmong(inbound, await this.#records.listInboundTrunks());
    trunk.sipTrunkId = newGuid('ST_');
    await this.#records.storeTrunk(trunk);
    return trunk;
  }

  async createInbound({ trunk }: CreateSIPInboundTrunkRequest): Promise<SIPInboundTrunkInfo> {
    if (trunk === undefined) throw invalid('missing trunk');
    if (trunk.sipTrunkId !== '') throw invalid('trunk id must not be set');
    checkInboundTrunk(trunk);
    checkTrunkAmong(trunk, await this.#records.listInboundTrunks());
    trunk.sipTrunkId = newGuid('ST_');
    await this.#records.storeInboundTrunk(trunk);
    return trunk;
  }

  async createOutbound({ trunk }: CreateSIPOutboundTrunkRequest): Promise<SIPOutboundTrunkInfo> {
    if (trunk === undefined) throw invalid('missing trunk');
    if (trunk.sipTrunkId !== '') throw invalid('trunk id must not be set');
    checkOutboundTrunk(trunk);
    trunk.sipTrunkId = newGuid('ST_');
    await this.#records.storeOutboundTrunk(trunk);
    return trunk;
  }

  async updateInbound({ sipTrunkId, action }: UpdateSIPInboundTrunkRequest): Promise<SIPInboundTrunkInfo> {
    if (sipTrunkId === '') throw invalid('trunk id must be set');
    if (action.case === undefined) throw invalid('missing or unsupported update action');
    if (action.case === 'replace') {
      checkSameTrunk(action.value.sipTrunkId, sipTrunkId);
      checkInboundTrunk(action.value);
    }
    const current = await this.#inbound(sipTrunkId);
    const next = action.case === 'replace' ? action.value : updatedInboundTrunk(current, action.value);
    next.sipTrunkId = sipTrunkId;
    checkTrunkAmong(next, await this.#records.listInboundTrunks());
    await this.#records.storeInboundTrunk(next);
    return next;
  }

  async updateOutbound({ sipTrunkId, action }: UpdateSIPOutboundTrunkRequest): Promise<SIPOutboundTrunkInfo> {
    if (sipTrunkId === '') throw invalid('trunk id must be set');
    if (action.case === undefined) throw invalid('missing or unsupported update action');
    if (action.case === 'replace') {
      checkSameTrunk(action.value.sipTrunkId, sipTrunkId);
      checkOutboundTrunk(action.value);
    }
    const current = await this.#outbound(sipTrunkId);
    const next = action.case === 'replace' ? action.value : updatedOutboundTrunk(current, action.value);
    next.sipTrunkId = sipTrunkId;
    await this.#records.storeOutboundTrunk(next);
    return next;
  }

  async getInbound({ sipTrunkId }: GetSIPInboundTrunkRequest): Promise<GetSIPInboundTrunkResponse> {
    if (sipTrunkId === '') throw invalid('trunk ID is required');
    return new GetSIPInboundTrunkResponse({ trunk: await this.#inbound(sipTrunkId) });
  }

  async getOutbound({ sipTrunkId }: GetSIPOutboundTrunkRequest): Promise<GetSIPOutboundTrunkResponse> {
    if (sipTrunkId === '') throw invalid('trunk ID is required');
    return new GetSIPOutboundTrunkResponse({ trunk: await this.#outbound(sipTrunkId) });
  }

  async list({ page }: ListSIPTrunkRequest): Promise<ListSIPTrunkResponse> {
    return new ListSIPTrunkResponse({ items: await this.#records.listTrunks(page) });
  }

  async listInbound({ trunkIds, numbers, page }: ListSIPInboundTrunkRequest): Promise<ListSIPInboundTrunkResponse> {
    const fits = (trunk: SIPInboundTrunkInfo) =>
      named(trunk.sipTrunkId, trunkIds) && overlaps(trunk.numbers, numbers, sameNumber);
    const items = await filtered(page, (at) => this.#records.listInboundTrunks(at), fits);
    return new ListSIPInboundTrunkResponse({ items });
  }

  async listOutbound({ trunkIds, numbers, page }: ListSIPOutboundTrunkRequest): Promise<ListSIPOutboundTrunkResponse> {
    const fits = (trunk: SIPOutboundTrunkInfo) =>
      named(trunk.sipTrunkId, trunkIds) && overlaps(trunk.numbers, numbers, Object.is);
    const items = await filtered(page, (at) => this.#records.listOutboundTrunks(at), fits);
    return new ListSIPOutboundTrunkResponse({ items });
  }

  /** Idempotent: that there was none is no error. */
  async remove({ sipTrunkId }: DeleteSIPTrunkRequest): Promise<SIPTrunkInfo> {
    if (sipTrunkId === '') throw invalid('trunk ID is required');
    await this.#records.removeTrunk(sipTrunkId);
    return new SIPTrunkInfo({ sipTrunkId });
  }

  async createRule(request: CreateSIPDispatchRuleRequest): Promise<SIPDispatchRuleInfo> {
    const rule = request.dispatchRule ?? ruleOf(request);
    if (rule.sipDispatchRuleId !== '') throw invalid('rule id must not be set');
    if (request.dispatchRule !== undefined) upgradeMedia(rule);
    checkDispatchRule(rule);
    checkRuleAmong(rule, await this.#records.listDispatchRules());
    rule.sipDispatchRuleId = newGuid('SDR_');
    await this.#records.storeDispatchRule(rule);
    return rule;
  }

  async updateRule({ sipDispatchRuleId, action }: UpdateSIPDispatchRuleRequest): Promise<SIPDispatchRuleInfo> {
    if (sipDispatchRuleId === '') throw invalid('rule id must be set');
    if (action.case === undefined) throw invalid('missing or unsupported update action');
    if (action.case === 'replace') {
      const { sipDispatchRuleId: id } = action.value;
      if (id !== '' && id !== sipDispatchRuleId) {
        throw invalid('rule id in the info must be empty or match the id in the update');
      }
      checkDispatchRule(action.value);
    }
    const current = await this.#rule(sipDispatchRuleId);
    const next = action.case === 'replace' ? action.value : updatedDispatchRule(current, action.value);
    next.sipDispatchRuleId = sipDispatchRuleId;
    const others = await this.#records.listDispatchRules();
    checkRuleAmong(
      next,
      others.filter((other) => other.sipDispatchRuleId !== sipDispatchRuleId),
    );
    await this.#records.storeDispatchRule(next);
    return next;
  }

  async listRules({
    dispatchRuleIds,
    trunkIds,
    page,
  }: ListSIPDispatchRuleRequest): Promise<ListSIPDispatchRuleResponse> {
    const fits = (rule: SIPDispatchRuleInfo) =>
      named(rule.sipDispatchRuleId, dispatchRuleIds) && overlaps(rule.trunkIds, trunkIds, Object.is);
    const items = await filtered(page, (at) => this.#records.listDispatchRules(at), fits);
    return new ListSIPDispatchRuleResponse({ items });
  }

  async removeRule({ sipDispatchRuleId }: DeleteSIPDispatchRuleRequest): Promise<SIPDispatchRuleInfo> {
    if (sipDispatchRuleId === '') throw invalid('dispatch rule ID is required');
    const rule = await this.#rule(sipDispatchRuleId);
    await this.#records.removeDispatchRule(sipDispatchRuleId);
    return rule;
  }

  async #inbound(id: string): Promise<SIPInboundTrunkInfo> {
    return (await this.#records.loadInboundTrunk(id)) ?? noTrunk();
  }

  async #outbound(id: string): Promise<SIPOutboundTrunkInfo> {
    return (await this.#records.loadOutboundTrunk(id)) ?? noTrunk();
  }

  async #rule(id: string): Promise<SIPDispatchRuleInfo> {
    const rule = await this.#records.loadDispatchRule(id);
    if (rule === undefined) throw new RpcError('not_found', 'requested sip dispatch rule does not exist');
    return rule;
  }
}

export function noTrunk(): never {
  throw new RpcError('not_found', 'requested sip trunk does not exist');
}

function checkSameTrunk(given: string, updated: string): void {
  if (given === '' || given === updated) return;
  throw invalid('trunk id in the info must be empty or match the id in the update');
}

/** From the fields of the request itself, as older SDKs send it. */
function ruleOf(request: CreateSIPDispatchRuleRequest): SIPDispatchRuleInfo {
  const { rule, trunkIds, inboundNumbers, hidePhoneNumber, name, metadata, attributes, roomPreset, roomConfig } =
    request;
  return new SIPDispatchRuleInfo({
    trunkIds,
    inboundNumbers,
    hidePhoneNumber,
    name,
    metadata,
    attributes,
    roomPreset,
    ...(rule === undefined ? {} : { rule }),
    ...(roomConfig === undefined ? {} : { roomConfig }),
  });
}

function named(id: string, ids: Ids): boolean {
  return ids.length === 0 || ids.includes(id);
}

/** What names none of its own is for all. */
function overlaps(own: Ids, asked: Ids, same: (one: string, other: string) => boolean): boolean {
  return own.length === 0 || asked.length === 0 || own.some((one) => asked.some((other) => same(one, other)));
}

/** Pages are of the whole list: filtering leaves fewer of them, and whoever asks goes on behind the last id. */
async function filtered<P, T>(page: P | undefined, list: (page?: P) => Promise<T[]>, fits: (item: T) => boolean) {
  return (await list(page)).filter(fits);
}
