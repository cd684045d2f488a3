/** Reads and checks a request to connect: query or `join_request`, with livekit-server's refusals (livekit-facts 1.3–1.5). */

import {
  ClientInfo,
  CreateRoomRequest,
  type JoinRequest,
  ReconnectReason,
  type RoomConfiguration,
} from '@livekit/protocol';
import { type Claims, mayPublish, mayUpdateOwnMetadata, type VideoGrant } from '../auth/grants.ts';
import type { VerifiedToken } from '../auth/token.ts';
import { newConnectionId } from '../lib/guid.ts';
import type { Identity, ParticipantSid, RoomName } from '../lib/ids.ts';
import { type ClientOrigin, clientInfoFromQuery, completeClientInfo } from './client-info.ts';
import { PADDED_BASE64URL, readJoinRequest } from './join-request.ts';
import { Refusal } from './refusal.ts';
import type { JoinParams } from './types.ts';

/** The part of an HTTP request that says who wants to connect, and how. */
export interface ConnectRequest {
  readonly form: URLSearchParams;
  readonly token: VerifiedToken | undefined;
  readonly origin: ClientOrigin;
}

export interface ConnectLimits {
  /** Bytes; 0 for no limit. */
  readonly maxIdentityLength: number;
  readonly maxRoomNameLength: number;
}

/** What can be refused only by asking the cluster. */
export interface ConnectChecks {
  /** With `room.auto_create` off: may somebody join a room that nobody created? */
  readonly autoCreate: boolean;
  roomExists(room: RoomName): Promise<boolean>;
}

export interface ConnectOptions {
  /** `/rtc/v1`. */
  readonly joinRequestRequired: boolean;
  /** `/validate`: attributes that can't be read are an error, not ignored. */
  readonly strict: boolean;
}

type Joiner = Claims & { video: VideoGrant };

/** Rejects with `Refusal`. */
export async function parseConnect(
  request: ConnectRequest,
  options: ConnectOptions,
  limits: ConnectLimits,
  checks: ConnectChecks,
): Promise<JoinParams> {
  const claims = request.token?.claims;
  if (request.token === undefined || claims?.video === undefined) throw NO_ACCESS;
  const wrapped = request.form.get('join_request') ?? '';
  if (wrapped === '' && options.joinRequestRequired) throw new Refusal(400, 'join_request is required');
  const joinRequest = wrapped === '' ? undefined : await readJoinRequest(wrapped);
  const own = joinRequest ?? { metadata: '', participantAttributes: queryAttributes(request.form, options.strict) };
  const publish = joinRequest === undefined ? (request.form.get('publish') ?? '') : '';

  const room = checkNames(claims, limits);
  const restricted = restrictPublishing({ ...claims, video: claims.video }, publish);
  await checkRoom(room, claims.video, checks);
  const joiner = withOwnFields(restricted, own.metadata, own.participantAttributes);
  return {
    connectionId: newConnectionId(),
    room,
    identity: joiner.identity as Identity,
    claims: joiner,
    tokenExpiresAt: request.token.expiresAt,
    createRoom: createRoomRequest(room, joiner.roomPreset, joiner.roomConfig),
    ...(joinRequest === undefined ? queryWishes(request) : joinRequestWishes(joinRequest, request)),
  };
}

function checkNames(claims: Claims, limits: ConnectLimits): RoomName {
  if (claims.video?.roomJoin !== true) throw new Refusal(401, 'permissions denied');
  if (claims.identity === '') throw new Refusal(400, 'identity cannot be empty');
  if (tooLong(claims.identity, limits.maxIdentityLength)) {
    throw new Refusal(400, `participant identity length exceeds limits: max length ${limits.maxIdentityLength}`);
  }
  const { room } = claims.video;
  if (room === '') throw new Refusal(400, 'no room name');
  if (tooLong(room, limits.maxRoomNameLength)) {
    throw new Refusal(400, `room name length exceeds limits: max length ${limits.maxRoomNameLength}`);
  }
  return room as RoomName;
}

/** A connection for one more publication gets an identity of its own and hears nothing. */
function restrictPublishing(claims: Joiner, publish: string): Joiner {
  if (publish === '') return claims;
  if (!mayPublish(claims.video)) throw NO_ACCESS;
  return { ...claims, identity: `${claims.identity}#${publish}`, video: { ...claims.video, canSubscribe: false } };
}

async function checkRoom(room: RoomName, grant: VideoGrant, checks: ConnectChecks): Promise<void> {
  if (!checks.autoCreate && !grant.roomCreate && !(await checks.roomExists(room))) {
    // Clients tell a missing room from a missing path by this sentence.
    throw new Refusal(404, 'requested room does not exist');
  }
}

function withOwnFields(claims: Joiner, metadata: string, attributes: Record<string, string>): Joiner {
  const entries = Object.entries(attributes);
  if (metadata === '' && entries.length === 0) return claims;
  if (!mayUpdateOwnMetadata(claims.video)) throw NO_ACCESS;
  return {
    ...claims,
    metadata: metadata === '' ? claims.metadata : metadata,
    // An empty value would delete an attribute that the token set.
    attributes: { ...claims.attributes, ...Object.fromEntries(entries.filter(([, value]) => value !== '')) },
  };
}

function queryAttributes(form: URLSearchParams, strict: boolean): Record<string, string> {
  const encoded = form.get('attributes') ?? '';
  if (encoded === '') return {};
  try {
    if (!PADDED_BASE64URL.test(encoded)) throw new SyntaxError('not padded base64');
    const value: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
    if (isStringMap(value)) return value;
  } catch {
    // Reported below, where it is to be reported at all.
  }
  if (strict) throw new Refusal(400, 'cannot decode attributes');
  return {};
}

function isStringMap(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((entry) => typeof entry === 'string')
  );
}

/** What a client asks of its session. */
type Wishes = Omit<JoinParams, 'connectionId' | 'room' | 'identity' | 'claims' | 'tokenExpiresAt' | 'createRoom'>;

function queryWishes({ form, origin }: ConnectRequest): Wishes {
  const reconnect = isTrue(form.get('reconnect'));
  return {
    client: clientInfoFromQuery(form, origin),
    singlePc: false,
    autoSubscribe: choice(form.get('auto_subscribe')) ?? true,
    autoSubscribeDataTrack: choice(form.get('auto_subscribe_data_track')),
    adaptiveStream: isTrue(form.get('adaptive_stream')),
    disableIceLite: isTrue(form.get('disable_ice_lite')),
    subscriberAllowPause: choice(form.get('subscriber_allow_pause')),
    reconnect,
    reconnectReason: reconnectReason(Number(form.get('reconnect_reason'))),
    participantSid: (reconnect ? (form.get('sid') ?? '') : '') as ParticipantSid,
    publisherOffer: undefined,
    addTrackRequests: [],
  };
}

function joinRequestWishes(join: JoinRequest, { origin }: ConnectRequest): Wishes {
  const settings = join.connectionSettings;
  return {
    client: completeClientInfo(join.clientInfo ?? new ClientInfo(), origin),
    singlePc: true,
    autoSubscribe: settings?.autoSubscribe ?? false,
    autoSubscribeDataTrack: settings?.autoSubscribeDataTrack ?? false,
    adaptiveStream: settings?.adaptiveStream ?? false,
    disableIceLite: settings?.disableIceLite ?? false,
    subscriberAllowPause: settings?.subscriberAllowPause ?? false,
    reconnect: join.reconnect,
    reconnectReason: join.reconnectReason,
    participantSid: join.participantSid as ParticipantSid,
    publisherOffer: join.publisherOffer,
    addTrackRequests: join.addTrackRequests,
  };
}

function createRoomRequest(
  room: RoomName,
  roomPreset: string,
  config: RoomConfiguration | undefined,
): CreateRoomRequest {
  const request = new CreateRoomRequest({ name: room, roomPreset });
  if (config === undefined) return request;
  request.agents = config.agents;
  if (config.egress !== undefined) request.egress = config.egress;
  request.emptyTimeout = config.emptyTimeout;
  request.departureTimeout = config.departureTimeout;
  request.maxParticipants = config.maxParticipants;
  request.minPlayoutDelay = config.minPlayoutDelay;
  request.maxPlayoutDelay = config.maxPlayoutDelay;
  request.syncStreams = config.syncStreams;
  request.metadata = config.metadata;
  request.tags = config.tags;
  return request;
}

function reconnectReason(value: number): ReconnectReason {
  return ReconnectReason[value] === undefined ? ReconnectReason.RR_UNKNOWN : value;
}

function choice(text: string | null): boolean | undefined {
  return text === null || text === '' ? undefined : isTrue(text);
}

function isTrue(text: string | null): boolean {
  return text === '1' || text === 'true';
}

function tooLong(text: string, limit: number): boolean {
  return limit > 0 && Buffer.byteLength(text) > limit;
}

const NO_ACCESS = new Refusal(401, 'no permissions to access the room');
