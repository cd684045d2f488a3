/** `livekit.RoomService`: grants and limits, then the node that hosts the room (livekit-facts 5.2). */

import {
  CreateRoomRequest,
  DeleteRoomRequest,
  DeleteRoomResponse,
  ForwardParticipantRequest,
  ListParticipantsRequest,
  ListParticipantsResponse,
  ListRoomsRequest,
  ListRoomsResponse,
  MoveParticipantRequest,
  MuteRoomTrackRequest,
  PerformRpcRequest,
  RemoveParticipantResponse,
  RoomParticipantIdentity,
  SendDataRequest,
  SendDataResponse,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateSubscriptionsRequest,
  UpdateSubscriptionsResponse,
} from '@livekit/protocol';
import type { Claims } from '../auth/grants.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { requireDestination, requireRoomAdmin, requireRoomCreate, requireRoomList } from './grants.ts';
import {
  type ApiLimits,
  checkAttributes,
  checkMetadata,
  checkParticipantName,
  checkRoomName,
  invalidArgument,
} from './limits.ts';
import { method, type TwirpService } from './twirp.ts';
import type { ParticipantControl, RoomControl, RoomDirectory } from './types.ts';

export interface RoomServiceParts {
  rooms: RoomControl;
  participants: ParticipantControl;
  directory: RoomDirectory;
  limits: ApiLimits;
  /** Whether there can be egress workers. */
  mayRecord: boolean;
}

export function roomService(parts: RoomServiceParts): TwirpService {
  return { ...roomMethods(parts), ...participantMethods(parts), ...dataMethods(parts) };
}

function roomMethods({ rooms, directory, limits, mayRecord }: RoomServiceParts): TwirpService {
  return {
    CreateRoom: method(CreateRoomRequest, async (request, claims) => {
      requireRoomCreate(claims);
      if (request.egress !== undefined && !mayRecord) {
        throw new RpcError('internal', 'egress not connected (redis required)');
      }
      checkRoomName(request.name, limits);
      checkMetadata(request.metadata, limits);
      for (const agent of request.agents) {
        checkMetadata(agent.metadata, limits);
        checkAttributes(agent.attributes, limits);
      }
      return rooms.createRoom(request);
    }),
    ListRooms: method(ListRoomsRequest, async (request, claims) => {
      requireRoomList(claims);
      const names = request.names.length === 0 ? undefined : (request.names as RoomName[]);
      return new ListRoomsResponse({ rooms: await directory.listRooms(names) });
    }),
    DeleteRoom: method(DeleteRoomRequest, async (request, claims) => {
      requireRoomCreate(claims);
      await requireRoom(directory, request.room);
      await rooms.deleteRoom(request);
      return new DeleteRoomResponse();
    }),
    UpdateRoomMetadata: method(UpdateRoomMetadataRequest, async (request, claims) => {
      checkMetadata(request.metadata, limits);
      requireRoomAdmin(claims, request.room);
      await requireRoom(directory, request.room);
      return rooms.updateRoomMetadata(request);
    }),
  };
}

function participantMethods({ participants, directory, limits }: RoomServiceParts): TwirpService {
  return {
    ListParticipants: method(ListParticipantsRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      return new ListParticipantsResponse({ participants: await directory.listParticipants(request.room as RoomName) });
    }),
    GetParticipant: method(RoomParticipantIdentity, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      return requireParticipant(directory, request);
    }),
    RemoveParticipant: method(RoomParticipantIdentity, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      await requireParticipant(directory, request);
      await participants.removeParticipant(request);
      return new RemoveParticipantResponse();
    }),
    MutePublishedTrack: method(MuteRoomTrackRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      await requireParticipant(directory, request);
      return participants.mutePublishedTrack(request);
    }),
    UpdateParticipant: method(UpdateParticipantRequest, async (request, claims) => {
      checkParticipantName(request.name, limits);
      checkMetadata(request.metadata, limits);
      checkAttributes(request.attributes, limits);
      requireRoomAdmin(claims, request.room);
      await requireParticipant(directory, request);
      return participants.updateParticipant(request);
    }),
    UpdateSubscriptions: method(UpdateSubscriptionsRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      await requireParticipant(directory, request);
      await participants.updateSubscriptions(request);
      return new UpdateSubscriptionsResponse();
    }),
    ForwardParticipant: method(ForwardParticipantRequest, (request, claims) => refuseToMove(request, claims)),
    MoveParticipant: method(MoveParticipantRequest, (request, claims) => refuseToMove(request, claims)),
  };
}

function dataMethods({ rooms, participants, directory }: RoomServiceParts): TwirpService {
  return {
    SendData: method(SendDataRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      const { length } = request.nonce;
      if (length !== 0 && length !== NONCE_BYTES) {
        throw new RpcError('invalid_argument', `nonce should be 16-bytes or not present, got: ${length} bytes`);
      }
      await requireRoom(directory, request.room);
      await rooms.sendData(request);
      return new SendDataResponse();
    }),
    PerformRpc: method(PerformRpcRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      if (request.destinationIdentity === '') {
        throw new RpcError('invalid_argument', 'destination identity is required');
      }
      await requireParticipant(directory, { room: request.room, identity: request.destinationIdentity });
      return participants.performRpc(request);
    }),
  };
}

/** Moving between rooms needs what only LiveKit's cloud has; the open-source server refuses in the same words. */
async function refuseToMove(
  request: ForwardParticipantRequest | MoveParticipantRequest,
  claims: Claims | undefined,
): Promise<never> {
  requireDestination(claims, request.room, request.destinationRoom);
  if (request.room === request.destinationRoom) {
    throw invalidArgument('destination room cannot be the same as source room', '');
  }
  throw new RpcError('unimplemented', 'operation is not implemented');
}

async function requireRoom(directory: RoomDirectory, name: string): Promise<void> {
  const [room] = await directory.listRooms([name as RoomName]);
  if (room === undefined) throw new RpcError('not_found', 'requested room does not exist');
}

async function requireParticipant(directory: RoomDirectory, who: { room: string; identity: string }) {
  const found = await directory.loadParticipant(who.room as RoomName, who.identity as Identity);
  if (found === undefined) throw new RpcError('not_found', 'participant does not exist');
  return found;
}

const NONCE_BYTES = 16;
