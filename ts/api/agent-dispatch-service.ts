/** `livekit.AgentDispatchService`, as far as a room knows of its agents without workers (livekit-facts 5.3). */

import {
  CreateAgentDispatchRequest,
  DeleteAgentDispatchRequest,
  ListAgentDispatchRequest,
  ListAgentDispatchResponse,
} from '@livekit/protocol';
import { deploymentFault } from '../lib/deployment.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { requireRoomAdmin } from './grants.ts';
import { type ApiLimits, checkAttributes, checkMetadata, checkRoomName } from './limits.ts';
import { method, type TwirpService } from './twirp.ts';
import type { DispatchControl, RoomDirectory } from './types.ts';

export function agentDispatchService(
  dispatches: DispatchControl,
  directory: RoomDirectory,
  limits: ApiLimits,
): TwirpService {
  return {
    CreateDispatch: method(CreateAgentDispatchRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      checkRoomName(request.room, limits);
      checkMetadata(request.metadata, limits);
      checkAttributes(request.attributes, limits);
      checkDeployment(request.deployment);
      return dispatches.createDispatch(request);
    }),
    DeleteDispatch: method(DeleteAgentDispatchRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      await requireRoom(directory, request.room);
      return dispatches.deleteDispatch(request);
    }),
    ListDispatch: method(ListAgentDispatchRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      await requireRoom(directory, request.room);
      const all = await dispatches.listDispatches(request.room as RoomName);
      const agentDispatches = all.filter(({ id }) => request.dispatchId === '' || id === request.dispatchId);
      return new ListAgentDispatchResponse({ agentDispatches });
    }),
  };
}

function checkDeployment(deployment: string): void {
  const fault = deploymentFault(deployment);
  if (fault !== undefined) throw new RpcError('invalid_argument', fault);
}

async function requireRoom(directory: RoomDirectory, name: string): Promise<void> {
  const [room] = await directory.listRooms([name as RoomName]);
  if (room === undefined) throw new RpcError('not_found', 'requested room does not exist');
}
