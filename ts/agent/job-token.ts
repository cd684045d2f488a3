/** The token that an agent joins its job's room with, signed with the key that its worker came with. */

import type { AvailabilityResponse, ParticipantPermission } from '@livekit/protocol';
import { type SigningKey, signToken } from '../auth/token.ts';

export interface JobTokenTerms {
  readonly key: SigningKey;
  readonly room: string;
  readonly agentName: string;
  readonly permissions: ParticipantPermission;
}

/** Identity, name, metadata and attributes are what the worker answered with. */
export function jobToken(terms: JobTokenTerms, answer: AvailabilityResponse, now: Date): string {
  const { permissions } = terms;
  const payload = {
    name: answer.participantName,
    kind: 'agent',
    video: {
      roomJoin: true,
      agent: true,
      room: terms.room,
      canSubscribe: permissions.canSubscribe,
      canPublish: permissions.canPublish,
      canPublishData: permissions.canPublishData,
      hidden: permissions.hidden,
      canUpdateOwnMetadata: permissions.canUpdateMetadata,
      canSubscribeMetrics: permissions.canSubscribeMetrics,
    },
    metadata: answer.participantMetadata,
    attributes: { ...answer.participantAttributes, [AGENT_NAME_ATTRIBUTE]: terms.agentName },
  };
  const expiresAt = Math.floor(now.getTime() / 1000) + LIFETIME_S;
  return signToken(terms.key, payload, answer.participantIdentity, expiresAt, now);
}

/** Clients find the agents of a name by it. */
const AGENT_NAME_ATTRIBUTE = 'lk.agent_name';
const LIFETIME_S = 3600;
