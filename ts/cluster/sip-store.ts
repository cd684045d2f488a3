import type { Message, MessageType } from '@bufbuild/protobuf';
import {
  type Pagination,
  SIPDispatchRuleInfo,
  SIPInboundTrunkInfo,
  SIPOutboundTrunkInfo,
  SIPTrunkInfo,
} from '@livekit/protocol';
import { inboundOf, outboundOf, trunkOf } from '../sip/trunks.ts';
import type { Keyspace } from './keyspace.ts';
import { decode, decodeAll } from './store-records.ts';

/** A page of a list sorted by id. */
export type Page = Pick<Pagination, 'afterId' | 'limit'> | undefined;

/** SIP trunks and dispatch rules of the whole cluster, under livekit-server's keys (livekit-facts 6). */
export class SipStore {
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  storeTrunk(trunk: SIPTrunkInfo): Promise<void> {
    return this.#keyspace.hashSet(TRUNKS, trunk.sipTrunkId, trunk.toBinary());
  }

  storeInboundTrunk(trunk: SIPInboundTrunkInfo): Promise<void> {
    return this.#keyspace.hashSet(INBOUND, trunk.sipTrunkId, trunk.toBinary());
  }

  storeOutboundTrunk(trunk: SIPOutboundTrunkInfo): Promise<void> {
    return this.#keyspace.hashSet(OUTBOUND, trunk.sipTrunkId, trunk.toBinary());
  }

  storeDispatchRule(rule: SIPDispatchRuleInfo): Promise<void> {
    return this.#keyspace.hashSet(RULES, rule.sipDispatchRuleId, rule.toBinary());
  }

  /** Trunks of the time when one record held both directions are found, too; here and below. */
  async loadInboundTrunk(id: string): Promise<SIPInboundTrunkInfo | undefined> {
    const own = await this.#load(INBOUND, id, SIPInboundTrunkInfo);
    if (own !== undefined) return own;
    const former = await this.#load(TRUNKS, id, SIPTrunkInfo);
    return former && inboundOf(former);
  }

  async loadOutboundTrunk(id: string): Promise<SIPOutboundTrunkInfo | undefined> {
    const own = await this.#load(OUTBOUND, id, SIPOutboundTrunkInfo);
    if (own !== undefined) return own;
    const former = await this.#load(TRUNKS, id, SIPTrunkInfo);
    return former && outboundOf(former);
  }

  loadDispatchRule(id: string): Promise<SIPDispatchRuleInfo | undefined> {
    return this.#load(RULES, id, SIPDispatchRuleInfo);
  }

  async listTrunks(page?: Page): Promise<SIPTrunkInfo[]> {
    const [former, inbound, outbound] = await Promise.all([
      decodeAll(this.#keyspace, TRUNKS, SIPTrunkInfo),
      decodeAll(this.#keyspace, INBOUND, SIPInboundTrunkInfo),
      decodeAll(this.#keyspace, OUTBOUND, SIPOutboundTrunkInfo),
    ]);
    const all = [...former.values(), ...[...inbound.values(), ...outbound.values()].map(trunkOf)];
    return paged(all, page, ({ sipTrunkId }) => sipTrunkId);
  }

  async listInboundTrunks(page?: Page): Promise<SIPInboundTrunkInfo[]> {
    const [own, former] = await Promise.all([
      decodeAll(this.#keyspace, INBOUND, SIPInboundTrunkInfo),
      decodeAll(this.#keyspace, TRUNKS, SIPTrunkInfo),
    ]);
    const all = [...own.values(), ...[...former.values()].flatMap((trunk) => inboundOf(trunk) ?? [])];
    return paged(all, page, ({ sipTrunkId }) => sipTrunkId);
  }

  async listOutboundTrunks(page?: Page): Promise<SIPOutboundTrunkInfo[]> {
    const [own, former] = await Promise.all([
      decodeAll(this.#keyspace, OUTBOUND, SIPOutboundTrunkInfo),
      decodeAll(this.#keyspace, TRUNKS, SIPTrunkInfo),
    ]);
    const all = [...own.values(), ...[...former.values()].flatMap((trunk) => outboundOf(trunk) ?? [])];
    return paged(all, page, ({ sipTrunkId }) => sipTrunkId);
  }

  async listDispatchRules(page?: Page): Promise<SIPDispatchRuleInfo[]> {
    const rules = await decodeAll(this.#keyspace, RULES, SIPDispatchRuleInfo);
    return paged([...rules.values()], page, ({ sipDispatchRuleId }) => sipDispatchRuleId);
  }

  /** Of any kind; idempotent. */
  async removeTrunk(id: string): Promise<void> {
    await this.#keyspace.many([TRUNKS, INBOUND, OUTBOUND].map((key) => ({ write: 'hashRemove', key, fields: [id] })));
  }

  removeDispatchRule(id: string): Promise<void> {
    return this.#keyspace.hashRemove(RULES, id);
  }

  async #load<M extends Message<M>>(key: string, id: string, type: MessageType<M>): Promise<M | undefined> {
    const value = await this.#keyspace.hashGet(key, id);
    return value === undefined ? undefined : decode(type, value, key);
  }
}

/** Sorted by id: all, or so many behind an id. */
function paged<T>(items: T[], page: Page, idOf: (item: T) => string): T[] {
  const sorted = items.sort((one, other) => (idOf(one) < idOf(other) ? -1 : 1));
  if (page === undefined) return sorted;
  const rest = sorted.filter((item) => idOf(item) > page.afterId);
  return page.limit > 0 ? rest.slice(0, page.limit) : rest;
}

const TRUNKS = 'sip_trunk';
const INBOUND = 'sip_inbound_trunk';
const OUTBOUND = 'sip_outbound_trunk';
const RULES = 'sip_dispatch_rule';
