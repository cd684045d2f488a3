import {
  AgentDispatch,
  AgentDispatchState,
  type CreateAgentDispatchRequest,
  RoomAgentDispatch,
} from '@livekit/protocol';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Clock } from './clock.ts';
import type { StoredRoom } from './contracts.ts';

/** Which agents a room has called for; one without a name where nothing is configured. */
export class AgentDispatches {
  readonly #clock: Clock;
  readonly #room: string;
  readonly #dispatches: AgentDispatch[];

  constructor({ room, internal }: StoredRoom, clock: Clock) {
    const wanted = internal.agentDispatches.length > 0 ? internal.agentDispatches : [new RoomAgentDispatch()];
    this.#clock = clock;
    this.#room = room.name;
    this.#dispatches = wanted.map((dispatch) => this.#make(dispatch));
  }

  all(): AgentDispatch[] {
    return this.#dispatches.map((dispatch) => dispatch.clone());
  }

  /** Calls for one more agent. */
  add(request: CreateAgentDispatchRequest): AgentDispatch {
    const dispatch = this.#make(request);
    this.#dispatches.push(dispatch);
    return dispatch.clone();
  }

  /** Rejects with `not_found` where there is no such dispatch. */
  remove(id: string): AgentDispatch {
    const index = this.#dispatches.findIndex((dispatch) => dispatch.id === id);
    const [removed] = index < 0 ? [] : this.#dispatches.splice(index, 1);
    if (removed === undefined) throw new RpcError('not_found', 'dispatch ID not found');
    return removed;
  }

  #make(wanted: RoomAgentDispatch | CreateAgentDispatchRequest): AgentDispatch {
    return new AgentDispatch({
      id: newGuid('AD_'),
      room: this.#room,
      agentName: wanted.agentName,
      metadata: wanted.metadata,
      attributes: wanted.attributes,
      deployment: wanted.deployment,
      restartPolicy: wanted.restartPolicy,
      state: new AgentDispatchState({ createdAt: BigInt(this.#clock.now()) * 1_000_000n }),
    });
  }
}
