/**
 * Calls about a room, each taken to the node that hosts it: rooms of this node are asked directly, whatever becomes of
 * Redis, others over their topics.
 */

import type {
  AgentDispatch,
  CreateAgentDispatchRequest,
  CreateRoomRequest,
  DeleteAgentDispatchRequest,
  DeleteRoomRequest,
  MuteRoomTrackRequest,
  MuteRoomTrackResponse,
  ParticipantInfo,
  PerformRpcRequest,
  PerformRpcResponse,
  Room,
  RoomParticipantIdentity,
  SendDataRequest,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateSubscriptionsRequest,
} from '@livekit/protocol';
import type { NodeId, RoomName } from '../lib/ids.ts';
import type { HostControls, RunningControls } from './types.ts';

export interface RoutedControlsParts {
  /** The controls of a room's host; a room without a host gets one, `preferred` if given. */
  readonly find: (room: RoomName, preferred?: NodeId) => Promise<HostControls>;
  /** Of a room that runs; undefined asks of whoever has it. */
  readonly here: (room: RoomName) => RunningControls | undefined;
  readonly elsewhere: RunningControls;
}

export class RoutedControls implements HostControls {
  readonly #parts: RoutedControlsParts;

  constructor(parts: RoutedControlsParts) {
    this.#parts = parts;
  }

  async createRoom(request: CreateRoomRequest): Promise<Room> {
    const preferred = request.nodeId === '' ? undefined : (request.nodeId as NodeId);
    return (await this.#parts.find(request.name as RoomName, preferred)).createRoom(request);
  }

  async deleteRoom(request: DeleteRoomRequest): Promise<void> {
    await (await this.#parts.find(request.room as RoomName)).deleteRoom(request);
  }

  async updateRoomMetadata(request: UpdateRoomMetadataRequest): Promise<Room> {
    return (await this.#parts.find(request.room as RoomName)).updateRoomMetadata(request);
  }

  async createDispatch(request: CreateAgentDispatchRequest): Promise<AgentDispatch> {
    return (await this.#parts.find(request.room as RoomName)).createDispatch(request);
  }

  sendData(request: SendDataRequest): Promise<void> {
    return this.#of(request).sendData(request);
  }

  removeParticipant(request: RoomParticipantIdentity): Promise<void> {
    return this.#of(request).removeParticipant(request);
  }

  mutePublishedTrack(request: MuteRoomTrackRequest): Promise<MuteRoomTrackResponse> {
    return this.#of(request).mutePublishedTrack(request);
  }

  updateParticipant(request: UpdateParticipantRequest): Promise<ParticipantInfo> {
    return this.#of(request).updateParticipant(request);
  }

  updateSubscriptions(request: UpdateSubscriptionsRequest): Promise<void> {
    return this.#of(request).updateSubscriptions(request);
  }

  performRpc(request: PerformRpcRequest): Promise<PerformRpcResponse> {
    return this.#of(request).performRpc(request);
  }

  listDispatches(room: RoomName): Promise<AgentDispatch[]> {
    return this.#of({ room }).listDispatches(room);
  }

  deleteDispatch(request: DeleteAgentDispatchRequest): Promise<AgentDispatch> {
    return this.#of(request).deleteDispatch(request);
  }

  #of({ room }: { room: string }): RunningControls {
    return this.#parts.here(room as RoomName) ?? this.#parts.elsewhere;
  }
}
