/** `livekit.AgentDispatchService`, as far as a room knows of its agents without workers (livekit-facts 5.3). */

import { ListAgentDispatchRequest, ListAgentDispatchResponse } from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { requireRoomAdmin } from './grants.ts';
import { method, type TwirpService } from './twirp.ts';
import type { DispatchControl, RoomDirectory } from './types.ts';

export function agentDispatchService(dispatches: DispatchControl, directory: RoomDirectory): TwirpService {
  return {
    ListDispatch: method(ListAgentDispatchRequest, async (request, claims) => {
      requireRoomAdmin(claims, request.room);
      const room = request.room as RoomName;
      const [known] = await directory.listRooms([room]);
      if (known === undefined) throw new RpcError('not_found', 'requested room does not exist');
      const all = await dispatches.listDispatches(room);
      const agentDispatches = all.filter(({ id }) => request.dispatchId === '' || id === request.dispatchId);
      return new ListAgentDispatchResponse({ agentDispatches });
    }),
  };
}
