/** Calls about a room, each taken to the node that hosts it. */

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
import type { HostControls } from './types.ts';

/** The controls of a room's host; a room without a host gets one, `preferred` if given. */
export type FindControls = (room: RoomName, preferred?: NodeId) => Promise<HostControls>;

export class RoutedControls implements HostControls {
  readonly #find: FindControls;

  constructor(find: FindControls) {
    this.#find = find;
  }

  async createRoom(request: CreateRoomRequest): Promise<Room> {
    const preferred = request.nodeId === '' ? undefined : (request.nodeId as NodeId);
    return (await this.#find(request.name as RoomName, preferred)).createRoom(request);
  }

  async deleteRoom(request: DeleteRoomRequest): Promise<void> {
    await (await this.#find(request.room as RoomName)).deleteRoom(request);
  }

  async sendData(request: SendDataRequest): Promise<void> {
    await (await this.#find(request.room as RoomName)).sendData(request);
  }

  async updateRoomMetadata(request: UpdateRoomMetadataRequest): Promise<Room> {
    return (await this.#find(request.room as RoomName)).updateRoomMetadata(request);
  }

  async removeParticipant(request: RoomParticipantIdentity): Promise<void> {
    await (await this.#find(request.room as RoomName)).removeParticipant(request);
  }

  async mutePublishedTrack(request: MuteRoomTrackRequest): Promise<MuteRoomTrackResponse> {
    return (await this.#find(request.room as RoomName)).mutePublishedTrack(request);
  }

  async updateParticipant(request: UpdateParticipantRequest): Promise<ParticipantInfo> {
    return (await this.#find(request.room as RoomName)).updateParticipant(request);
  }

  async updateSubscriptions(request: UpdateSubscriptionsRequest): Promise<void> {
    await (await this.#find(request.room as RoomName)).updateSubscriptions(request);
  }

  async performRpc(request: PerformRpcRequest): Promise<PerformRpcResponse> {
    return (await this.#find(request.room as RoomName)).performRpc(request);
  }

  async listDispatches(room: RoomName): Promise<AgentDispatch[]> {
    return (await this.#find(room)).listDispatches(room);
  }

  async createDispatch(request: CreateAgentDispatchRequest): Promise<AgentDispatch> {
    return (await this.#find(request.room as RoomName)).createDispatch(request);
  }

  async deleteDispatch(request: DeleteAgentDispatchRequest): Promise<AgentDispatch> {
    return (await this.#find(request.room as RoomName)).deleteDispatch(request);
  }
}
