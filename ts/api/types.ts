/**
 * What the Twirp services ask of the node that hosts a room; implemented by the room side. The methods are those of
 * livekit's internal Room, RoomManager and Participant services, so that they can be asked for over the bus later.
 * Grants, limits and existence in the store are checked before; every rejection is an `RpcError`.
 */

import type {
  AgentDispatch,
  CreateAgentDispatchRequest,
  CreateRoomRequest,
  DeleteAgentDispatchRequest,
  DeleteRoomRequest,
  EgressInfo,
  IngressInfo,
  IngressState,
  ListEgressRequest,
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
import type { Identity, RoomName } from '../lib/ids.ts';

export interface RoomControl {
  /**
   * Creates or updates the room in the store (non-zero fields win, preset applied; an unknown preset is
   * `invalid_argument` "unknown room configuration in create room request") and hosts it here.
   */
  createRoom(request: CreateRoomRequest): Promise<Room>;
  /** Everybody leaves with ROOM_DELETED. */
  deleteRoom(request: DeleteRoomRequest): Promise<void>;
  sendData(request: SendDataRequest): Promise<void>;
  updateRoomMetadata(request: UpdateRoomMetadataRequest): Promise<Room>;
}

/** An identity that is not in the room is `not_found` "participant does not exist". */
export interface ParticipantControl {
  removeParticipant(request: RoomParticipantIdentity): Promise<void>;
  mutePublishedTrack(request: MuteRoomTrackRequest): Promise<MuteRoomTrackResponse>;
  updateParticipant(request: UpdateParticipantRequest): Promise<ParticipantInfo>;
  updateSubscriptions(request: UpdateSubscriptionsRequest): Promise<void>;
  /** One whose transports do not stand yet can't be called: `internal` "data channel is not available". */
  performRpc(request: PerformRpcRequest): Promise<PerformRpcResponse>;
}

/** Which agents a room has called for; a room that nobody configured has one dispatch without a name. */
export interface DispatchControl {
  /** Rejects with `not_found` where the room is not hosted here. */
  listDispatches(room: RoomName): Promise<AgentDispatch[]>;
  /** Creates the room where it does not exist. */
  createDispatch(request: CreateAgentDispatchRequest): Promise<AgentDispatch>;
  /** The dispatch that was; `not_found` where there is no such room or dispatch. */
  deleteDispatch(request: DeleteAgentDispatchRequest): Promise<AgentDispatch>;
}

/** All that a host does for the API. */
export type HostControls = RoomControl & ParticipantControl & DispatchControl;

/** As much of it as makes no room. */
export type RunningControls = ParticipantControl & Pick<HostControls, 'sendData' | 'listDispatches' | 'deleteDispatch'>;

/** What this node knows of its own rooms without asking anybody. */
export interface HostedRooms {
  /** Undefined for a room that is not hosted here. */
  room(name: RoomName): Room | undefined;
  participants(room: RoomName): ParticipantInfo[] | undefined;
}

/** What the store knows of rooms and participants, the whole cluster's. */
export interface RoomDirectory {
  /** All rooms, or those of these names that exist. */
  listRooms(names: RoomName[] | undefined): Promise<Room[]>;
  listParticipants(room: RoomName): Promise<ParticipantInfo[]>;
  loadParticipant(room: RoomName, identity: Identity): Promise<ParticipantInfo | undefined>;
}

/** What is known of recordings and streams, the whole cluster's. */
export interface EgressRecords {
  /** One that is known already stays as it is. */
  create(info: EgressInfo): Promise<void>;
  /** An unknown id is `not_found` "egress does not exist". */
  get(id: string): Promise<EgressInfo>;
  /** One by its id, which must be known; else all, or a room's, or of these those that have not ended. */
  list(filter: Pick<ListEgressRequest, 'egressId' | 'roomName' | 'active'>): Promise<EgressInfo[]>;
}

/** What is known of streams that come in, the whole cluster's. */
export interface IngressRecords {
  create(info: IngressInfo): Promise<void>;
  /** With its state; an unknown id is `not_found` "ingress does not exist". */
  get(id: string): Promise<IngressInfo>;
  /** All, or those of one room. */
  list(room: RoomName | undefined): Promise<IngressInfo[]>;
  /** Everything but the state. */
  update(info: IngressInfo): Promise<void>;
  updateState(id: string, state: IngressState): Promise<void>;
  remove(info: IngressInfo): Promise<void>;
}
