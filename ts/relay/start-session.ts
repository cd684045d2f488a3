/**
 * A request to join as nodes hand it to each other: `StartSession`, with the token's claims as livekit-server's Go code
 * writes and reads them in JSON (livekit-facts 7.3).
 */

import {
  ClientInfo,
  CreateRoomRequest,
  ParticipantInfo_Kind,
  ParticipantInfo_KindDetail,
  TrackSource,
} from '@livekit/protocol';
import { parseClaims } from '../auth/claims.ts';
import type { Claims, VideoGrant } from '../auth/grants.ts';
import { StartSession } from '../gen/cluster_pb.ts';
import type { ConnectionId, Identity, ParticipantSid, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { JoinParams } from '../signal/types.ts';

export function toStartSession(params: JoinParams): StartSession {
  const { autoSubscribeDataTrack, subscriberAllowPause, publisherOffer, createRoom } = params;
  const session = new StartSession({
    roomName: params.room,
    identity: params.identity,
    name: params.claims.name,
    connectionId: params.connectionId,
    reconnect: params.reconnect,
    reconnectReason: params.reconnectReason,
    autoSubscribe: params.autoSubscribe,
    client: params.client,
    grantsJson: JSON.stringify(grantsJson(params.claims)),
    tokenExpiresAt: BigInt(Math.trunc(params.tokenExpiresAt)),
    adaptiveStream: params.adaptiveStream,
    participantId: params.participantSid,
    disableIceLite: params.disableIceLite,
    createRoom: new CreateRoomRequest({ ...createRoom, name: params.room }),
    addTrackRequests: params.addTrackRequests,
    useSinglePeerConnection: params.singlePc,
  });
  if (autoSubscribeDataTrack !== undefined) session.autoSubscribeDataTrack = autoSubscribeDataTrack;
  if (subscriberAllowPause !== undefined) session.subscriberAllowPause = subscriberAllowPause;
  if (publisherOffer !== undefined) session.publisherOffer = publisherOffer;
  return session;
}

/** Throws `malformed_request` where it can't be read. */
export function fromStartSession(session: StartSession): JoinParams {
  const room = session.roomName as RoomName;
  if (room === '' || session.identity === '') {
    throw new RpcError('malformed_request', 'a session needs a room and an identity');
  }
  const identity = session.identity as Identity;
  return {
    connectionId: session.connectionId as ConnectionId,
    room,
    identity,
    claims: claimsOf(session),
    tokenExpiresAt: Number(session.tokenExpiresAt),
    client: session.client ?? new ClientInfo(),
    createRoom: session.createRoom ?? new CreateRoomRequest({ name: room }),
    singlePc: session.useSinglePeerConnection,
    autoSubscribe: session.autoSubscribe,
    autoSubscribeDataTrack: session.autoSubscribeDataTrack,
    adaptiveStream: session.adaptiveStream,
    disableIceLite: session.disableIceLite,
    subscriberAllowPause: session.subscriberAllowPause,
    reconnect: session.reconnect,
    reconnectReason: session.reconnectReason,
    participantSid: session.participantId as ParticipantSid,
    publisherOffer: session.publisherOffer,
    addTrackRequests: session.addTrackRequests,
  };
}

/** What is at its zero value is left out, as Go does. */
function grantsJson(claims: Claims): Record<string, unknown> {
  return present({
    identity: claims.identity,
    name: claims.name,
    kind: ParticipantInfo_Kind[claims.kind].toLowerCase(),
    kindDetails: claims.kindDetails.map((detail) => ParticipantInfo_KindDetail[detail].toLowerCase()),
    video: claims.video === undefined ? undefined : videoJson(claims.video),
    sip: claims.sip === undefined ? undefined : present({ ...claims.sip }),
    roomConfig: claims.roomConfig?.toJson(),
    roomPreset: claims.roomPreset,
    sha256: claims.sha256,
    metadata: claims.metadata,
    attributes: claims.attributes,
  });
}

/** Booleans that a grant may leave open are three-valued in Go too: a spoken `false` is kept. */
function videoJson(grant: VideoGrant): Record<string, unknown> {
  const {
    canPublish,
    canSubscribe,
    canPublishData,
    canPublishSources,
    canUpdateOwnMetadata,
    canSubscribeMetrics,
    canManageAgentSession,
    ...plain
  } = grant;
  const spoken = {
    canPublish,
    canSubscribe,
    canPublishData,
    canUpdateOwnMetadata,
    canSubscribeMetrics,
    canManageAgentSession,
  };
  return {
    ...present(plain),
    // JSON leaves out what is undefined.
    ...spoken,
    ...present({ canPublishSources: canPublishSources.map((source) => TrackSource[source].toLowerCase()) }),
  };
}

function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isZero(value)));
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === false || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function claimsOf({ grantsJson: json, identity, name }: StartSession): JoinParams['claims'] {
  const claims = readClaims(json, identity);
  if (claims.video === undefined) throw new RpcError('malformed_request', 'the grants of a session name no room');
  return { ...claims, name: claims.name || name, video: claims.video };
}

function readClaims(json: string, identity: string): Claims {
  try {
    const payload: unknown = JSON.parse(json);
    if (typeof payload !== 'object' || payload === null) throw new SyntaxError('not an object');
    return parseClaims({ ...payload, sub: identity });
  } catch (error) {
    throw new RpcError('malformed_request', `could not read the grants of a session: ${String(error)}`);
  }
}
