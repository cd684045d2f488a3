/** What a CreateRoomRequest makes of a room, new or known (livekit-facts 2.3, 5.2). Pure. */

import { CreateRoomRequest, Codec as EnabledCodec, PlayoutDelay, Room as RoomMessage } from '@livekit/protocol';
import { newRoomSid, newSecret } from '../lib/guid.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RoomConfig } from './config.ts';
import type { StoredRoom } from './contracts.ts';

/** A room as the configuration has it; `now` in milliseconds since the epoch. */
export function newRoom(config: RoomConfig, name: RoomName, now: number): StoredRoom {
  const { enabled, min, max } = config.playoutDelay;
  return {
    room: new RoomMessage({
      sid: newRoomSid(),
      name,
      creationTime: BigInt(Math.floor(now / 1000)),
      creationTimeMs: BigInt(now),
      turnPassword: newSecret(),
      emptyTimeout: config.emptyTimeout,
      departureTimeout: config.departureTimeout,
      maxParticipants: config.maxParticipants,
      enabledCodecs: config.enabledCodecs.map((codec) => new EnabledCodec(codec)),
    }),
    internal: {
      participantEgress: undefined,
      trackEgress: undefined,
      agentDispatches: [],
      playoutDelay: new PlayoutDelay({ enabled, min, max }),
      syncStreams: config.syncStreams,
    },
  };
}

/** Fields that the request leaves empty come from its preset; an unknown preset is `invalid_argument`. */
export function withPreset(config: RoomConfig, request: CreateRoomRequest): CreateRoomRequest {
  if (request.roomPreset === '') return request;
  const preset = config.presets.get(request.roomPreset);
  if (preset === undefined) {
    throw new RpcError('invalid_argument', 'unknown room configuration in create room request');
  }
  const merged = new CreateRoomRequest(request);
  merged.emptyTimeout ||= preset.emptyTimeout;
  merged.departureTimeout ||= preset.departureTimeout;
  merged.maxParticipants ||= preset.maxParticipants;
  merged.minPlayoutDelay ||= preset.minPlayoutDelay;
  merged.maxPlayoutDelay ||= preset.maxPlayoutDelay;
  merged.syncStreams ||= preset.syncStreams;
  merged.metadata ||= preset.metadata;
  if (merged.egress === undefined && preset.egress !== undefined) merged.egress = preset.egress;
  if (merged.agents.length === 0) merged.agents = preset.agents;
  return merged;
}

/** The room after the request: what is not empty wins. */
export function applyRequest({ room, internal }: StoredRoom, request: CreateRoomRequest): StoredRoom {
  const next = room.clone();
  next.emptyTimeout = request.emptyTimeout || next.emptyTimeout;
  next.departureTimeout = request.departureTimeout || next.departureTimeout;
  next.maxParticipants = request.maxParticipants || next.maxParticipants;
  next.metadata = request.metadata || next.metadata;
  const delayed = request.minPlayoutDelay > 0 || request.maxPlayoutDelay > 0;
  return {
    room: next,
    internal: {
      participantEgress: request.egress?.participant ?? internal.participantEgress,
      trackEgress: request.egress?.tracks ?? internal.trackEgress,
      agentDispatches: request.agents.length > 0 ? request.agents : internal.agentDispatches,
      playoutDelay: delayed
        ? new PlayoutDelay({ enabled: true, min: request.minPlayoutDelay, max: request.maxPlayoutDelay })
        : internal.playoutDelay,
      syncStreams: request.syncStreams || internal.syncStreams,
    },
  };
}
