import { AgentDispatch, AgentDispatchState, RoomAgentDispatch } from '@livekit/protocol';
import { newGuid } from '../lib/guid.ts';
import type { StoredRoom } from './contracts.ts';

/** Which agents a room has called for; one without a name where nothing is configured. */
export class AgentDispatches {
  readonly #dispatches: AgentDispatch[];

  /** `now` in milliseconds since the epoch. */
  constructor({ room, internal }: StoredRoom, now: number) {
    const wanted = internal.agentDispatches.length > 0 ? internal.agentDispatches : [new RoomAgentDispatch()];
    const state = new AgentDispatchState({ createdAt: BigInt(now) * 1_000_000n });
    this.#dispatches = wanted.map(
      (dispatch) => new AgentDispatch({ ...dispatch, id: newGuid('AD_'), room: room.name, state }),
    );
  }

  all(): AgentDispatch[] {
    return this.#dispatches.map((dispatch) => dispatch.clone());
  }
}
