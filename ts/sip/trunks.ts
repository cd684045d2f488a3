/** Trunks: ways in and out of the telephone network. */

import {
  SIPTrunkInfo_TrunkKind as Kind,
  SIPInboundTrunkInfo,
  type SIPInboundTrunkUpdate,
  type SIPOutboundConfig,
  SIPOutboundTrunkInfo,
  type SIPOutboundTrunkUpdate,
  SIPTrunkInfo,
} from '@livekit/protocol';
import { checkAttributesToHeaders, checkHeaders, checkHeadersToAttributes } from './headers.ts';
import { invalid } from './invalid.ts';
import { updatedList } from './list-update.ts';
import { checkMedia, upgradeMedia } from './media.ts';
import { normalizeNumber } from './number.ts';

/** Throws `invalid_argument` where the trunk can't work, or is open to the world. */
export function checkInboundTrunk(trunk: SIPInboundTrunkInfo): void {
  const authenticates = trunk.authUsername !== '' || trunk.authPassword !== '';
  if (!authenticates && trunk.allowedAddresses.length === 0 && trunk.numbers.length === 0) {
    throw invalid(
      'for security, one of the fields must be set: AuthUsername+AuthPassword, AllowedAddresses or Numbers',
    );
  }
  checkMedia(trunk.media);
  checkTrunkHeaders(trunk);
}

export function checkOutboundTrunk(trunk: SIPOutboundTrunkInfo): void {
  if (trunk.numbers.length === 0) throw invalid('no trunk numbers specified');
  if (trunk.address === '') throw invalid('no outbound address specified');
  checkHost(trunk.address, 'trunk address');
  checkHost(trunk.fromHost, 'from_host');
  checkTrunkHeaders(trunk);
  checkMedia(trunk.media);
}

/** A trunk that is given with a single call. */
export function checkOutboundConfig(config: SIPOutboundConfig): void {
  if (config.hostname === '') throw invalid('no outbound hostname specified');
  checkHost(config.hostname, 'trunk hostname');
  checkHost(config.fromHost, 'from_host');
  checkAttributesToHeaders(config.attributesToHeaders);
  checkHeadersToAttributes(config.headersToAttributes);
}

function checkTrunkHeaders(trunk: SIPInboundTrunkInfo | SIPOutboundTrunkInfo): void {
  checkHeaders(trunk.headers);
  checkAttributesToHeaders(trunk.attributesToHeaders);
  checkHeadersToAttributes(trunk.headersToAttributes);
}

function checkHost(value: string, field: string): void {
  if (value.includes('transport=')) throw invalid(`${field} should not contain transport parameter`);
  if (/[@;]|^sips?:/.test(value)) throw invalid(`${field} should be a hostname or IP, not SIP URI`);
}

/** The trunk with what the update names changed. */
export function updatedInboundTrunk(current: SIPInboundTrunkInfo, update: SIPInboundTrunkUpdate): SIPInboundTrunkInfo {
  const trunk = current.clone();
  trunk.numbers = updatedList(trunk.numbers, update.numbers);
  trunk.allowedAddresses = updatedList(trunk.allowedAddresses, update.allowedAddresses);
  trunk.allowedNumbers = updatedList(trunk.allowedNumbers, update.allowedNumbers);
  trunk.authUsername = update.authUsername ?? trunk.authUsername;
  trunk.authPassword = update.authPassword ?? trunk.authPassword;
  trunk.authRealm = update.authRealm ?? trunk.authRealm;
  trunk.name = update.name ?? trunk.name;
  trunk.metadata = update.metadata ?? trunk.metadata;
  updateMedia(trunk, update);
  checkInboundTrunk(trunk);
  return trunk;
}

export function updatedOutboundTrunk(
  current: SIPOutboundTrunkInfo,
  update: SIPOutboundTrunkUpdate,
): SIPOutboundTrunkInfo {
  const trunk = current.clone();
  trunk.address = update.address ?? trunk.address;
  trunk.transport = update.transport ?? trunk.transport;
  trunk.destinationCountry = update.destinationCountry ?? trunk.destinationCountry;
  trunk.numbers = updatedList(trunk.numbers, update.numbers);
  trunk.authUsername = update.authUsername ?? trunk.authUsername;
  trunk.authPassword = update.authPassword ?? trunk.authPassword;
  trunk.name = update.name ?? trunk.name;
  trunk.metadata = update.metadata ?? trunk.metadata;
  trunk.fromHost = update.fromHost ?? trunk.fromHost;
  updateMedia(trunk, update);
  checkOutboundTrunk(trunk);
  return trunk;
}

type MediaHolder = Parameters<typeof upgradeMedia>[0];

/** The field of former times follows. */
export function updateMedia(holder: MediaHolder, update: Partial<MediaHolder>): void {
  checkMedia(update.media);
  if (update.media !== undefined) holder.media = update.media;
  if (update.mediaEncryption !== undefined) holder.mediaEncryption = update.mediaEncryption;
  upgradeMedia(holder);
  holder.mediaEncryption = holder.media?.encryption ?? 0;
}

/** As `checkTrunkConflicts`, of this one with each of the others: what is wrong among those is not its fault. */
export function checkTrunkAmong(trunk: SIPInboundTrunkInfo, others: Iterable<SIPInboundTrunkInfo>): void {
  for (const other of others) checkTrunkConflicts([other, trunk]);
}

/**
 * Throws `invalid_argument` where two trunks would claim the same call: the same called number, and the same caller or
 * none in particular.
 */
export function checkTrunkConflicts(trunks: Iterable<SIPInboundTrunkInfo>): void {
  const claims = new Map<string, Map<string, SIPInboundTrunkInfo>>();
  for (const trunk of trunks) {
    for (const called of distinct(trunk.numbers)) {
      const callers = claims.get(called) ?? new Map<string, SIPInboundTrunkInfo>();
      claims.set(called, callers);
      claim(callers, trunk);
    }
  }
}

function claim(callers: Map<string, SIPInboundTrunkInfo>, trunk: SIPInboundTrunkInfo): void {
  for (const caller of distinct(trunk.allowedNumbers)) {
    const other = callers.get(caller);
    if (other !== undefined && other.sipTrunkId !== trunk.sipTrunkId) {
      const given = trunk.allowedNumbers.find((number) => normalizeNumber(number) === caller);
      const how = given === undefined ? 'without AllowedNumbers set' : `and AllowedNumber ${JSON.stringify(given)}`;
      const who = `${printId(trunk.sipTrunkId)} and ${printId(other.sipTrunkId)}`;
      throw invalid(
        `Conflicting inbound SIP Trunks: ${who}, using the same number(s) ${printNumbers(trunk.numbers)} ${how}`,
      );
    }
    callers.set(caller, trunk);
  }
}

/** In one form each; a list without numbers stands for any, the empty string. */
function distinct(numbers: readonly string[]): Iterable<string> {
  return numbers.length === 0 ? [''] : new Set(numbers.map(normalizeNumber));
}

function printId(id: string): string {
  return JSON.stringify(id === '' ? '<new>' : id);
}

function printNumbers(numbers: readonly string[]): string {
  return numbers.length === 0 ? '<any>' : `[${numbers.map((number) => JSON.stringify(number)).join(' ')}]`;
}

/** Trunks of the time when one record held both directions; undefined where it is not of this one. */
export function inboundOf(trunk: SIPTrunkInfo): SIPInboundTrunkInfo | undefined {
  if (trunk.kind === Kind.TRUNK_OUTBOUND) return undefined;
  return new SIPInboundTrunkInfo({
    sipTrunkId: trunk.sipTrunkId,
    name: trunk.name,
    metadata: trunk.metadata,
    numbers: trunk.outboundNumber === '' ? [] : [trunk.outboundNumber],
    allowedAddresses: trunk.inboundAddresses,
    allowedNumbers: trunk.inboundNumbers,
    authUsername: trunk.inboundUsername,
    authPassword: trunk.inboundPassword,
  });
}

export function outboundOf(trunk: SIPTrunkInfo): SIPOutboundTrunkInfo | undefined {
  if (trunk.kind === Kind.TRUNK_INBOUND) return undefined;
  return new SIPOutboundTrunkInfo({
    sipTrunkId: trunk.sipTrunkId,
    name: trunk.name,
    metadata: trunk.metadata,
    address: trunk.outboundAddress,
    transport: trunk.transport,
    numbers: trunk.outboundNumber === '' ? [] : [trunk.outboundNumber],
    authUsername: trunk.outboundUsername,
    authPassword: trunk.outboundPassword,
  });
}

/** As the old calls list them. */
export function trunkOf(trunk: SIPInboundTrunkInfo | SIPOutboundTrunkInfo): SIPTrunkInfo {
  const shared = {
    sipTrunkId: trunk.sipTrunkId,
    name: trunk.name,
    metadata: trunk.metadata,
    outboundNumber: trunk.numbers[0] ?? '',
  };
  if (trunk instanceof SIPInboundTrunkInfo) {
    return new SIPTrunkInfo({
      ...shared,
      kind: Kind.TRUNK_INBOUND,
      inboundAddresses: trunk.allowedAddresses,
      inboundNumbers: trunk.allowedNumbers,
      inboundUsername: trunk.authUsername,
      inboundPassword: trunk.authPassword,
    });
  }
  return new SIPTrunkInfo({
    ...shared,
    kind: Kind.TRUNK_OUTBOUND,
    outboundAddress: trunk.address,
    transport: trunk.transport,
    outboundUsername: trunk.authUsername,
    outboundPassword: trunk.authPassword,
  });
}
