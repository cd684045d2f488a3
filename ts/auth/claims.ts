/** Token payloads: JSON claims ⇄ `Claims` (livekit-facts 2.1, 2.2). */

import { ParticipantInfo_Kind, ParticipantInfo_KindDetail, RoomConfiguration, TrackSource } from '@livekit/protocol';
import { z } from 'zod';
import {
  type Claims,
  mayPublish,
  mayPublishData,
  maySubscribe,
  mayUpdateOwnMetadata,
  type VideoGrant,
} from './grants.ts';
import { withoutCredentials } from './room-credentials.ts';

/** Throws an error with a short reason where a claim has the wrong type; unknown claims and names are ignored. */
export function parseClaims(payload: Record<string, unknown>): Claims {
  const parsed = CLAIMS.safeParse(payload);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`claim ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
  }
  const claims = parsed.data;
  return {
    identity: claims.sub || claims.jti,
    name: claims.name,
    kind: named(ParticipantInfo_Kind, claims.kind) ?? ParticipantInfo_Kind.STANDARD,
    kindDetails: claims.kindDetails
      .map((name) => named(ParticipantInfo_KindDetail, name))
      .filter((value) => value !== undefined),
    video: claims.video === undefined ? undefined : videoGrant(claims.video),
    sip: claims.sip,
    metadata: claims.metadata,
    attributes: claims.attributes,
    roomConfig:
      claims.roomConfig === undefined
        ? undefined
        : RoomConfiguration.fromJson(claims.roomConfig as never, { ignoreUnknownFields: true }),
    roomPreset: claims.roomPreset,
    sha256: claims.sha256,
  };
}

/**
 * The payload of a refreshed token: what a participant may now, with all booleans spelled out. Clients keep such tokens,
 * and pass them on.
 */
export function refreshedPayload(claims: Claims): Record<string, unknown> {
  return {
    name: claims.name,
    kind: ParticipantInfo_Kind[claims.kind].toLowerCase(),
    metadata: claims.metadata,
    attributes: claims.attributes,
    ...(claims.video === undefined ? {} : { video: explicitVideo(claims.video) }),
    ...(claims.roomConfig === undefined ? {} : { roomConfig: withoutCredentials(claims.roomConfig).toJson() }),
    roomPreset: claims.roomPreset,
  };
}

function explicitVideo(grant: VideoGrant): Record<string, unknown> {
  return {
    ...grant,
    canPublish: mayPublish(grant),
    canSubscribe: maySubscribe(grant),
    canPublishData: mayPublishData(grant),
    canPublishSources: grant.canPublishSources.map((source) => TrackSource[source].toLowerCase()),
    canUpdateOwnMetadata: mayUpdateOwnMetadata(grant),
    canSubscribeMetrics: grant.canSubscribeMetrics ?? false,
    canManageAgentSession: grant.canManageAgentSession ?? false,
  };
}

function videoGrant(json: z.output<typeof VIDEO>): VideoGrant {
  return {
    ...json,
    canPublishSources: json.canPublishSources.map((name) => named(TrackSource, name) ?? TrackSource.UNKNOWN),
  };
}

/** The value of an enumeration by its name in any case. */
function named<Value extends number>(type: Record<string, string | number>, name: string): Value | undefined {
  const value = type[name.toUpperCase()];
  return typeof value === 'number' ? (value as Value) : undefined;
}

/** As Go decodes: absent and null are the zero value. */
const orZero = <Schema extends z.ZodType>(schema: Schema, zero: z.output<Schema>) =>
  schema.nullish().transform((value) => value ?? zero);
const orAbsent = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

const flag = orZero(z.boolean(), false);
const words = orZero(z.string(), '');
const list = orZero(z.array(z.string()), []);
const choice = orAbsent(z.boolean());

const VIDEO = z.object({
  roomCreate: flag,
  roomList: flag,
  roomRecord: flag,
  roomAdmin: flag,
  roomJoin: flag,
  room: words,
  destinationRoom: words,
  canPublish: choice,
  canSubscribe: choice,
  canPublishData: choice,
  canPublishSources: list,
  canUpdateOwnMetadata: choice,
  canSubscribeMetrics: choice,
  canManageAgentSession: choice,
  ingressAdmin: flag,
  hidden: flag,
  recorder: flag,
  agent: flag,
});

const CLAIMS = z.object({
  sub: words,
  jti: words,
  name: words,
  kind: words,
  kindDetails: list,
  video: orAbsent(VIDEO),
  sip: orAbsent(z.object({ admin: flag, call: flag })),
  metadata: words,
  attributes: orZero(z.record(z.string(), z.string()), {}),
  roomConfig: orAbsent(z.record(z.string(), z.unknown())),
  roomPreset: words,
  sha256: words,
});
