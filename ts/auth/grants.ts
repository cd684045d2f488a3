/** What a token allows: the claims of livekit-facts 2.1 and 2.2, parsed, with their defaults. */

import {
  ParticipantInfo_Kind,
  type ParticipantInfo_KindDetail,
  ParticipantPermission,
  type RoomConfiguration,
  type TrackSource,
} from '@livekit/protocol';

/** Absent booleans that default to false are false here; those with other defaults stay undefined, see the readers. */
export interface VideoGrant {
  roomCreate: boolean;
  roomList: boolean;
  roomRecord: boolean;
  roomAdmin: boolean;
  roomJoin: boolean;
  room: string;
  destinationRoom: string;
  canPublish: boolean | undefined;
  canSubscribe: boolean | undefined;
  canPublishData: boolean | undefined;
  /** Empty means any. */
  canPublishSources: TrackSource[];
  canUpdateOwnMetadata: boolean | undefined;
  canSubscribeMetrics: boolean | undefined;
  canManageAgentSession: boolean | undefined;
  ingressAdmin: boolean;
  hidden: boolean;
  recorder: boolean;
  agent: boolean;
}

export interface SipGrant {
  admin: boolean;
  call: boolean;
}

/** The verified content of a token; treated as immutable, changes make a copy. */
export interface Claims {
  /** `sub`, or `jti` where that is missing; may be empty. */
  identity: string;
  name: string;
  kind: ParticipantInfo_Kind;
  kindDetails: ParticipantInfo_KindDetail[];
  video: VideoGrant | undefined;
  sip: SipGrant | undefined;
  metadata: string;
  attributes: Record<string, string>;
  roomConfig: RoomConfiguration | undefined;
  roomPreset: string;
  /** Hash of a body, in webhook tokens. */
  sha256: string;
}

export const mayPublish = (grant: VideoGrant): boolean => grant.canPublish ?? true;
export const maySubscribe = (grant: VideoGrant): boolean => grant.canSubscribe ?? true;
export const mayPublishData = (grant: VideoGrant): boolean => grant.canPublishData ?? mayPublish(grant);
export const mayUpdateOwnMetadata = (grant: VideoGrant): boolean => grant.canUpdateOwnMetadata ?? false;

export function mayPublishSource(grant: VideoGrant, source: TrackSource): boolean {
  if (!mayPublish(grant)) return false;
  return grant.canPublishSources.length === 0 || grant.canPublishSources.includes(source);
}

/** The grant as `ParticipantInfo.permission` shows it. */
export function permissionOf(grant: VideoGrant): ParticipantPermission {
  return new ParticipantPermission({
    canSubscribe: maySubscribe(grant),
    canPublish: mayPublish(grant),
    canPublishData: mayPublishData(grant),
    canPublishSources: [...grant.canPublishSources],
    hidden: grant.hidden,
    recorder: grant.recorder,
    canUpdateMetadata: mayUpdateOwnMetadata(grant),
    agent: grant.agent,
    canSubscribeMetrics: grant.canSubscribeMetrics ?? false,
    canManageAgentSession: grant.canManageAgentSession ?? false,
  });
}

/** The grant after an UpdateParticipant: the permission replaces the whole set, so what it leaves out is denied. */
export function withPermission(grant: VideoGrant, permission: ParticipantPermission): VideoGrant {
  return {
    ...grant,
    canSubscribe: permission.canSubscribe,
    canPublish: permission.canPublish,
    canPublishData: permission.canPublishData,
    canPublishSources: [...permission.canPublishSources],
    canUpdateOwnMetadata: permission.canUpdateMetadata,
    canSubscribeMetrics: permission.canSubscribeMetrics,
    canManageAgentSession: permission.canManageAgentSession,
    hidden: permission.hidden,
    recorder: permission.recorder,
    agent: permission.agent,
  };
}

/** Agents and recorders: not counted as participants and no reason to keep a room open. */
export function isDependent(claims: Claims): boolean {
  return (
    claims.kind === ParticipantInfo_Kind.AGENT ||
    claims.kind === ParticipantInfo_Kind.EGRESS ||
    claims.video?.agent === true ||
    claims.video?.recorder === true
  );
}

/** Exempt from publishers' subscription permissions. */
export function isRecorder(claims: Claims): boolean {
  return claims.kind === ParticipantInfo_Kind.EGRESS || claims.video?.recorder === true;
}
