/**
 * Calls about rooms on other nodes, over livekit's internal services (livekit-facts 7.3). Those about a room that runs go
 * to whoever serves the room's topic; those that may need the room to be made first go by way of a node.
 */

import {
  AgentDispatch,
  type CreateAgentDispatchRequest,
  CreateRoomRequest,
  type DeleteAgentDispatchRequest,
  type DeleteRoomRequest,
  ListAgentDispatchRequest,
  ListParticipantsRequest,
  type MuteRoomTrackRequest,
  type MuteRoomTrackResponse,
  type ParticipantInfo,
  type PerformRpcRequest,
  type PerformRpcResponse,
  type Room as RoomMessage,
  RoomParticipantIdentity,
  type SendDataRequest,
  type UpdateParticipantRequest,
  type UpdateRoomMetadataRequest,
  type UpdateSubscriptionsRequest,
} from '@livekit/protocol';
import { newGuid } from '../lib/guid.ts';
import type { Identity, NodeId, RoomName } from '../lib/ids.ts';
import type { CallOptions, RpcClient } from '../psrpc/client.ts';
import { AgentDispatchInternal, Participant, Room, RoomManager } from '../psrpc/services.ts';
import { participantTopic } from './topics.ts';
import type { HostControls, ParticipantControl } from './types.ts';

export interface RemoteSettings {
  /** Of making a room: milliseconds of each attempt, and how many there are. */
  readonly createRoomTimeoutMs: number;
  readonly createRoomAttempts: number;
}

/** A room that runs, wherever that is. */
export class RemoteRooms implements ParticipantControl {
  readonly #rpc: RpcClient;

  constructor(rpc: RpcClient) {
    this.#rpc = rpc;
  }

  async sendData(request: SendDataRequest): Promise<void> {
    await this.#rpc.call(Room.SendData, request.room, request);
  }

  async listParticipants(room: RoomName): Promise<ParticipantInfo[]> {
    return (await this.#rpc.call(Room.ListParticipants, room, new ListParticipantsRequest({ room }))).participants;
  }

  getParticipant(room: RoomName, identity: Identity): Promise<ParticipantInfo> {
    return this.#rpc.call(Room.GetParticipant, room, new RoomParticipantIdentity({ room, identity }));
  }

  async removeParticipant(request: RoomParticipantIdentity): Promise<void> {
    await this.#rpc.call(Participant.RemoveParticipant, topicOf(request), request);
  }

  mutePublishedTrack(request: MuteRoomTrackRequest): Promise<MuteRoomTrackResponse> {
    return this.#rpc.call(Participant.MutePublishedTrack, topicOf(request), request);
  }

  updateParticipant(request: UpdateParticipantRequest): Promise<ParticipantInfo> {
    return this.#rpc.call(Participant.UpdateParticipant, topicOf(request), request);
  }

  async updateSubscriptions(request: UpdateSubscriptionsRequest): Promise<void> {
    await this.#rpc.call(Participant.UpdateSubscriptions, topicOf(request), request);
  }

  /** Once: a call that is repeated would be carried out twice. */
  performRpc(request: PerformRpcRequest): Promise<PerformRpcResponse> {
    const topic = participantTopic(request.room, request.destinationIdentity);
    const timeoutMs = (request.responseTimeoutMs || DEFAULT_RPC_RESPONSE_MS) + RPC_SLACK_MS;
    return this.#rpc.call(Participant.PerformRpc, topic, request, { timeoutMs, maxAttempts: 1 });
  }

  async listDispatches(room: RoomName): Promise<AgentDispatch[]> {
    const request = new ListAgentDispatchRequest({ room });
    return (await this.#rpc.call(AgentDispatchInternal.ListDispatch, room, request)).agentDispatches;
  }

  deleteDispatch(request: DeleteAgentDispatchRequest): Promise<AgentDispatch> {
    return this.#rpc.call(AgentDispatchInternal.DeleteDispatch, request.room, request);
  }
}

/** Another node, as the host of rooms. */
export class RemoteControls extends RemoteRooms implements HostControls {
  readonly #rpc: RpcClient;
  readonly #node: NodeId;
  readonly #making: CallOptions;

  constructor(rpc: RpcClient, node: NodeId, settings: RemoteSettings) {
    super(rpc);
    this.#rpc = rpc;
    this.#node = node;
    this.#making = { timeoutMs: settings.createRoomTimeoutMs, maxAttempts: settings.createRoomAttempts };
  }

  createRoom(request: CreateRoomRequest): Promise<RoomMessage> {
    return this.#rpc.call(RoomManager.CreateRoom, this.#node, request, this.#making);
  }

  async deleteRoom(request: DeleteRoomRequest): Promise<void> {
    await this.#host(request.room);
    await this.#rpc.call(Room.DeleteRoom, request.room, request);
  }

  async updateRoomMetadata(request: UpdateRoomMetadataRequest): Promise<RoomMessage> {
    await this.#host(request.room);
    return this.#rpc.call(Room.UpdateRoomMetadata, request.room, request);
  }

  async createDispatch(request: CreateAgentDispatchRequest): Promise<AgentDispatch> {
    await this.#host(request.room);
    const { room, agentName, metadata, restartPolicy, deployment, attributes } = request;
    const wanted = { id: newGuid('AD_'), room, agentName, metadata, restartPolicy, deployment, attributes };
    return this.#rpc.call(AgentDispatchInternal.CreateDispatch, room, new AgentDispatch(wanted));
  }

  /** A room in the store that nobody joined, or whose node died, runs nowhere: then it does on this node. */
  async #host(room: string): Promise<void> {
    await this.createRoom(new CreateRoomRequest({ name: room }));
  }
}

function topicOf({ room, identity }: { room: string; identity: string }): string {
  return participantTopic(room, identity);
}

/** What a participant has to answer in, where the caller does not say (livekit-facts 4.7). */
const DEFAULT_RPC_RESPONSE_MS = 10_000;
/** For its ack and the way through the cluster. */
const RPC_SLACK_MS = 4000;
