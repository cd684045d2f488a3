/** What the API asks of the rooms of this node (livekit-facts 5.2). */

import {
  type AgentDispatch,
  type CreateAgentDispatchRequest,
  CreateRoomRequest,
  type DeleteAgentDispatchRequest,
  type DeleteRoomRequest,
  type MuteRoomTrackRequest,
  MuteRoomTrackResponse,
  type ParticipantInfo,
  type PerformRpcRequest,
  PerformRpcResponse,
  type Room as RoomMessage,
  type RoomParticipantIdentity,
  type SendDataRequest,
  type UpdateParticipantRequest,
  type UpdateRoomMetadataRequest,
  UpdateSubscription,
  type UpdateSubscriptionsRequest,
} from '@livekit/protocol';
import type { DispatchControl, ParticipantControl, RoomControl } from '../api/types.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RoomConfig } from './config.ts';
import type { Member } from './member.ts';
import { type ExceededLimit, exceededLimit } from './metadata.ts';
import type { Room } from './room.ts';
import type { Rooms } from './rooms.ts';

export class RoomControls implements RoomControl, ParticipantControl, DispatchControl {
  readonly #config: RoomConfig;
  readonly #rooms: Rooms;

  constructor(config: RoomConfig, rooms: Rooms) {
    this.#config = config;
    this.#rooms = rooms;
  }

  createRoom(request: CreateRoomRequest): Promise<RoomMessage> {
    return this.#rooms.create(request);
  }

  deleteRoom(request: DeleteRoomRequest): Promise<void> {
    return this.#rooms.delete(request.room as RoomName);
  }

  async sendData(request: SendDataRequest): Promise<void> {
    const room = this.#room(request.room);
    room.data.sendUserPacket(request, (sid) => room.members.bySid(sid)?.participant.identity);
  }

  /** A room that nobody joined yet is hosted for it. */
  async updateRoomMetadata(request: UpdateRoomMetadataRequest): Promise<RoomMessage> {
    const room = await this.#rooms.acquire(new CreateRoomRequest({ name: request.room }), false);
    try {
      room.setMetadata(request.metadata);
      await room.persisted();
      return room.snapshot();
    } finally {
      room.release();
    }
  }

  async removeParticipant(request: RoomParticipantIdentity): Promise<void> {
    const { room, member } = this.#find(request);
    room.remove(member, 'removed', true);
    await room.persisted();
  }

  async mutePublishedTrack(request: MuteRoomTrackRequest): Promise<MuteRoomTrackResponse> {
    const { room, member } = this.#find(request);
    if (!request.muted && !this.#config.enableRemoteUnmute) {
      throw new RpcError('failed_precondition', 'remote unmute not enabled');
    }
    if (!member.publications.knows(request.trackSid)) throw new RpcError('not_found', 'track is not found');
    const track = member.publications.mute(request.trackSid, request.muted, true);
    await room.persisted();
    return new MuteRoomTrackResponse(track === undefined ? {} : { track });
  }

  async updateParticipant(request: UpdateParticipantRequest): Promise<ParticipantInfo> {
    const { room, member } = this.#find(request);
    const exceeded = exceededLimit(this.#config.limits, request);
    if (exceeded !== undefined) throw new RpcError('invalid_argument', LIMIT_TEXTS[exceeded]);
    member.participant.updateProfile(request);
    if (request.permission !== undefined) member.setPermission(request.permission);
    await room.persisted();
    return member.participant.info();
  }

  async updateSubscriptions(request: UpdateSubscriptionsRequest): Promise<void> {
    const { trackSids, participantTracks, subscribe } = request;
    const { member } = this.#find(request);
    member.subscriptions.update(new UpdateSubscription({ trackSids, participantTracks, subscribe }));
  }

  async performRpc(request: PerformRpcRequest): Promise<PerformRpcResponse> {
    const { room, member } = this.#find({ room: request.room, identity: request.destinationIdentity });
    if (!member.participant.active) throw new RpcError('internal', 'data channel is not available');
    return new PerformRpcResponse({ payload: await room.data.rpc.perform(request) });
  }

  async listDispatches(room: RoomName): Promise<AgentDispatch[]> {
    return this.#room(room).dispatches.all();
  }

  /** A room that nobody joined yet is hosted for it. */
  async createDispatch(request: CreateAgentDispatchRequest): Promise<AgentDispatch> {
    const room = await this.#rooms.acquire(new CreateRoomRequest({ name: request.room }), true);
    try {
      return room.dispatches.add(request);
    } finally {
      room.release();
    }
  }

  async deleteDispatch(request: DeleteAgentDispatchRequest): Promise<AgentDispatch> {
    return this.#room(request.room).dispatches.remove(request.dispatchId);
  }

  #room(name: string): Room {
    const room = this.#rooms.get(name as RoomName);
    if (room === undefined || room.closed) throw new RpcError('not_found', 'requested room does not exist');
    return room;
  }

  #find(request: { room: string; identity: string }): { room: Room; member: Member } {
    const room = this.#room(request.room);
    const member = room.members.get(request.identity as Identity);
    if (member === undefined) throw new RpcError('not_found', 'participant does not exist');
    return { room, member };
  }
}

const LIMIT_TEXTS: Record<ExceededLimit, string> = {
  name: 'name length exceeds limits',
  metadata: 'metadata size exceeds limits',
  attributes: 'attributes size exceeds limits',
};
