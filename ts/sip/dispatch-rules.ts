/** Dispatch rules: which room a call is led to. */

import type { SIPDispatchRuleInfo, SIPDispatchRuleUpdate, SIPInboundTrunkInfo } from '@livekit/protocol';
import { invalid } from './invalid.ts';
import { updatedList } from './list-update.ts';
import { checkMedia } from './media.ts';
import { normalizeNumber } from './number.ts';
import { updateMedia } from './trunks.ts';

/** Throws `invalid_argument` where the rule leads nowhere. */
export function checkDispatchRule({ rule, media }: SIPDispatchRuleInfo): void {
  if (rule === undefined) throw invalid('missing rule');
  checkMedia(media);
}

/** The rule with what the update names changed; an empty attribute is removed. */
export function updatedDispatchRule(current: SIPDispatchRuleInfo, update: SIPDispatchRuleUpdate): SIPDispatchRuleInfo {
  const rule = current.clone();
  rule.trunkIds = updatedList(rule.trunkIds, update.trunkIds);
  if (update.rule !== undefined) rule.rule = update.rule;
  rule.name = update.name ?? rule.name;
  rule.metadata = update.metadata ?? rule.metadata;
  for (const [name, value] of Object.entries(update.attributes)) {
    if (value === '') delete rule.attributes[name];
    else rule.attributes[name] = value;
  }
  updateMedia(rule, update);
  checkDispatchRule(rule);
  return rule;
}

/** The room, or what rooms' names begin with, and the PIN; throws `invalid_argument` for a rule of a kind unknown here. */
export function pinAndRoom({ rule }: SIPDispatchRuleInfo): { pin: string; room: string } {
  const kind = rule?.rule;
  switch (kind?.case) {
    case 'dispatchRuleDirect':
      return { pin: kind.value.pin, room: kind.value.roomName };
    case 'dispatchRuleIndividual':
    case 'dispatchRuleCallee':
      return { pin: kind.value.pin, room: kind.value.roomPrefix };
    default:
      throw invalid('unsupported SIP Dispatch Rule');
  }
}

/** As `checkRuleConflicts`, of this one with itself and with each of the others. */
export function checkRuleAmong(rule: SIPDispatchRuleInfo, others: Iterable<SIPDispatchRuleInfo>): void {
  checkRuleConflicts([rule]);
  for (const other of others) checkRuleConflicts([other, rule]);
}

/** Throws `invalid_argument` where two rules are for the same trunk, numbers and PIN. */
export function checkRuleConflicts(rules: Iterable<SIPDispatchRuleInfo>): void {
  const known = new Map<string, SIPDispatchRuleInfo>();
  for (const rule of rules) {
    const { pin } = pinAndRoom(rule);
    for (const key of keysOf(rule, pin)) {
      const other = known.get(key);
      if (other !== undefined) {
        const id = JSON.stringify(other.sipDispatchRuleId === '' ? '<new>' : other.sipDispatchRuleId);
        const name = JSON.stringify(other.name === '' ? '<blank name>' : other.name);
        throw invalid(
          'Dispatch rule for the same trunk, inbound number, number, and PIN combination already exists in dispatch ' +
            `rule ${id} ${name}`,
        );
      }
      known.set(key, rule);
    }
  }
}

/** What is left open stands for itself: it contradicts only what is left open too. */
function* keysOf({ trunkIds, inboundNumbers, numbers }: SIPDispatchRuleInfo, pin: string): Iterable<string> {
  for (const trunk of orAny(trunkIds)) {
    for (const caller of orAny(inboundNumbers)) {
      for (const called of orAny(numbers)) {
        yield JSON.stringify([trunk, normalizeNumber(caller), normalizeNumber(called), pin]);
      }
    }
  }
}

function orAny(values: readonly string[]): readonly string[] {
  return values.length === 0 ? [''] : values;
}

/** What a caller brings along. */
export interface Caller {
  readonly callingNumber: string;
  readonly calledNumber: string;
  readonly pin: string;
  /** Asked for one, the caller gave none. */
  readonly noPin: boolean;
}

/**
 * The rule that takes the call: those for its trunk before those for any, then by priority; undefined for none. Throws
 * `invalid_argument` where rules contradict each other.
 */
export function matchDispatchRule(
  trunk: SIPInboundTrunkInfo | undefined,
  rules: readonly SIPDispatchRuleInfo[],
  caller: Caller,
): SIPDispatchRuleInfo | undefined {
  checkRuleConflicts(rules);
  const fitting = rules.filter((rule) => fits(rule, caller));
  const specific = fitting.filter(({ trunkIds }) => trunk !== undefined && trunkIds.includes(trunk.sipTrunkId));
  const forAny = fitting.filter(({ trunkIds }) => trunkIds.length === 0);
  return first(specific) ?? first(forAny);
}

function fits(rule: SIPDispatchRuleInfo, { callingNumber, calledNumber, pin, noPin }: Caller): boolean {
  if (rule.inboundNumbers.length > 0 && !rule.inboundNumbers.includes(callingNumber)) return false;
  if (rule.numbers.length > 0 && !rule.numbers.includes(calledNumber)) return false;
  const wanted = pinAndRoom(rule).pin;
  if (noPin) return wanted === '';
  // One who gave a PIN is never let into an open room in place of the one that was meant.
  return pin === '' || pin === wanted;
}

function first(rules: readonly SIPDispatchRuleInfo[]): SIPDispatchRuleInfo | undefined {
  const ranked = rules.map((rule) => ({ rule, rank: priorityOf(rule), room: pinAndRoom(rule).room }));
  ranked.sort((one, other) => one.rank - other.rank || (one.room < other.room ? -1 : Number(one.room > other.room)));
  return ranked[0]?.rule;
}

/** Lower comes first: with PIN before open, direct before individual before callee, for certain numbers before for all. */
export function priorityOf(info: SIPDispatchRuleInfo): number {
  const kind = info.rule?.rule.case;
  const rank = kind === undefined ? undefined : RANKS[kind];
  if (rank === undefined) return Number.MAX_SAFE_INTEGER;
  const open = pinAndRoom(info).pin === '' ? 100 : 0;
  const anyCaller = info.inboundNumbers.length === 0 ? 1000 : 0;
  const anyCalled = info.numbers.length === 0 ? 1000 : 0;
  return rank + open + anyCaller + anyCalled;
}

const RANKS: Record<string, number> = { dispatchRuleDirect: 0, dispatchRuleIndividual: 1, dispatchRuleCallee: 2 };
