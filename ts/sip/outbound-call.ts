/** A call out, as asked for and as SIP workers are told of it. */

import {
  type CreateSIPParticipantRequest,
  type Destination,
  SIPFeature,
  SIPMediaConfig,
  type SIPOutboundTrunkInfo,
} from '@livekit/protocol';
import { InternalCreateSIPParticipantRequest } from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { ATTRIBUTES } from './attributes.ts';
import { checkHeaders } from './headers.ts';
import { invalid } from './invalid.ts';
import { checkMedia, mergeMedia, upgraded, upgradeMedia } from './media.ts';
import { checkOutboundConfig } from './trunks.ts';

/** Throws `invalid_argument` for what can't be called. */
export function checkOutboundCall(request: CreateSIPParticipantRequest): void {
  if (request.sipTrunkId === '' && request.trunk === undefined && request.sipNumber === '') {
    throw invalid('missing sip trunk id and sip number');
  }
  if (request.trunk !== undefined) checkOutboundConfig(request.trunk);
  if (request.sipCallTo === '') throw invalid('missing sip callee number');
  if (request.sipCallTo.includes('@')) {
    throw invalid('SipCallTo should be a phone number or SIP user, not a full SIP URI');
  }
  if (request.roomName === '') throw invalid('missing room name');
  checkDisplayName(request.displayName);
  checkDestination(request.destination);
  checkHeaders(request.headers);
  checkMedia(request.media);
}

function checkDisplayName(name: string | undefined): void {
  if (name === undefined) return;
  if (Buffer.byteLength(name) > MAX_DISPLAY_NAME_BYTES) {
    throw invalid(`DisplayName too long (max ${MAX_DISPLAY_NAME_BYTES} characters)`);
  }
  // As it stands between quotes in the header: a quote or a lone backslash would end or spoil it.
  if (!/^(?:[^"\\\n]|\\[abfnrtv\\"]|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\[0-7]{3})*$/u.test(name)) {
    throw invalid('DisplayName must be a valid quoted string: invalid syntax');
  }
}

function checkDestination(destination: Destination | undefined): void {
  if (destination === undefined) return;
  const { city, country, region } = destination;
  if (city !== '' && country === '' && region === '') {
    throw invalid('if city is specified, country or region must also be specified');
  }
  if (country !== '' && !isCountry(country)) {
    throw invalid("country must be a valid ISO 3166-1 alpha-2 code (2-letter like 'US', 'IN', 'UK')");
  }
}

function isCountry(code: string): boolean {
  if (!/^[A-Z]{2}$/.test(code) || NO_COUNTRIES.has(code)) return false;
  return COUNTRIES.of(code) !== undefined;
}

export interface OutboundCall {
  readonly callId: string;
  readonly request: CreateSIPParticipantRequest;
  readonly trunk: SIPOutboundTrunkInfo | undefined;
  /** Between 0 and 1, chooses among the trunk's numbers. */
  readonly random: () => number;
}

/** Throws `failed_precondition` where there is no number to call from. */
export function outboundCall({ callId, request, trunk, random }: OutboundCall): InternalCreateSIPParticipantRequest {
  const way = wayOut(request, trunk);
  const number = callingNumber(request, trunk, way.address, random);
  const sipTrunkId = request.sipTrunkId || trunk?.sipTrunkId || '';
  const own = trunk === undefined ? undefined : upgraded(trunk.media?.clone(), trunk.mediaEncryption);
  upgradeMedia(request);
  const media = mergeMedia(own, request.media) ?? new SIPMediaConfig();
  const { ringingTimeout, maxCallDuration, displayName, destination } = request;
  const { sipRequestUri, sipFromHeader, sipToHeader } = request;
  return new InternalCreateSIPParticipantRequest({
    ...way,
    sipCallId: callId,
    sipTrunkId,
    number,
    callTo: request.sipCallTo,
    hostname: trunk?.fromHost || request.trunk?.fromHost || '',
    roomName: request.roomName,
    participantIdentity: request.participantIdentity || `sip_${request.sipCallTo}`,
    participantName: request.participantName,
    participantMetadata: request.participantMetadata,
    participantAttributes: attributesOf(request, { callId, sipTrunkId, number, address: way.address }),
    dtmf: request.dtmf,
    playDialtone: request.playRingtone || request.playDialtone,
    headers: { ...way.headers, ...request.headers },
    includeHeaders: request.includeHeaders || way.includeHeaders,
    enabledFeatures: request.krispEnabled ? [SIPFeature.KRISP_ENABLED] : [],
    media,
    mediaEncryption: media.encryption ?? 0,
    waitUntilAnswered: request.waitUntilAnswered,
    ...(sipRequestUri === undefined ? {} : { sipRequestUri }),
    ...(sipFromHeader === undefined ? {} : { sipFromHeader }),
    ...(sipToHeader === undefined ? {} : { sipToHeader }),
    ...(ringingTimeout === undefined ? {} : { ringingTimeout }),
    ...(maxCallDuration === undefined ? {} : { maxCallDuration }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(destination === undefined ? {} : { destination }),
  });
}

/** How the call leaves: by a stored trunk, by one of its own, or as the SIP service decides. */
function wayOut(request: CreateSIPParticipantRequest, trunk: SIPOutboundTrunkInfo | undefined) {
  const own = request.trunk;
  return {
    address: trunk?.address ?? own?.hostname ?? '',
    transport: trunk?.transport ?? own?.transport ?? 0,
    destinationCountry: trunk?.destinationCountry ?? own?.destinationCountry ?? '',
    username: trunk?.authUsername ?? own?.authUsername ?? '',
    password: trunk?.authPassword ?? own?.authPassword ?? '',
    headers: trunk?.headers ?? {},
    includeHeaders: trunk?.includeHeaders ?? 0,
    headersToAttributes: trunk?.headersToAttributes ?? own?.headersToAttributes ?? {},
    attributesToHeaders: trunk?.attributesToHeaders ?? own?.attributesToHeaders ?? {},
  };
}

function callingNumber(
  { sipNumber }: CreateSIPParticipantRequest,
  trunk: SIPOutboundTrunkInfo | undefined,
  address: string,
  random: () => number,
): string {
  const numbers = sipNumber === '' ? (trunk?.numbers ?? []) : [sipNumber];
  const number = numbers[Math.floor(random() * numbers.length)];
  if (number === undefined) throw new RpcError('failed_precondition', 'no numbers on outbound trunk');
  // This provider takes no number without it.
  return address.endsWith('twilio.com') && !number.startsWith('+') ? `+${number}` : number;
}

function attributesOf(
  { participantAttributes, hidePhoneNumber, sipCallTo }: CreateSIPParticipantRequest,
  known: { callId: string; sipTrunkId: string; number: string; address: string },
): Record<string, string> {
  const numbers = {
    [ATTRIBUTES.phoneNumber]: sipCallTo,
    [ATTRIBUTES.hostName]: known.address,
    [ATTRIBUTES.trunkNumber]: known.number,
  };
  return {
    ...participantAttributes,
    [ATTRIBUTES.callId]: known.callId,
    [ATTRIBUTES.trunkId]: known.sipTrunkId,
    ...(hidePhoneNumber ? {} : numbers),
  };
}

const MAX_DISPLAY_NAME_BYTES = 128;
const COUNTRIES = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
/** Regions that have a code and are no countries. */
const NO_COUNTRIES: ReadonlySet<string> = new Set(['EU', 'QO', 'XA', 'XB', 'ZZ']);
