/**
 * Answers what other nodes ask about the rooms of this one (livekit-facts 7.3). A room's topics are served while it is
 * hosted here, a participant's while that one is in it.
 *
 * ```
 * absent ──opened──► serving ──closed──► absent
 * ```
 */

import {
  CreateAgentDispatchRequest,
  DeleteRoomResponse,
  type ForwardParticipantResponse,
  ListAgentDispatchResponse,
  ListParticipantsResponse,
  type MoveParticipantResponse,
  RemoveParticipantResponse,
  SendDataResponse,
  UpdateSubscriptionsResponse,
} from '@livekit/protocol';
import type { Identity, NodeId, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Registration, RpcServer } from '../psrpc/server.ts';
import { AgentDispatchInternal, Participant, Room, RoomManager } from '../psrpc/services.ts';
import { participantTopic } from './topics.ts';
import type { HostControls, HostedRooms } from './types.ts';

export interface ControlServerParts {
  readonly self: NodeId;
  readonly server: RpcServer;
  readonly controls: HostControls;
  readonly hosted: HostedRooms;
  readonly onError: (error: unknown) => void;
}

export class ControlServer {
  readonly #parts: ControlServerParts;
  /** By topic, rooms' and participants' apart. */
  readonly #served = new Map<string, Promise<Registration[]>>();
  /** What has to be over before the same can be served again. */
  readonly #ending = new Map<string, Promise<void>>();
  #manager: Registration | undefined;

  constructor(parts: ControlServerParts) {
    this.#parts = parts;
  }

  /** Resolves when rooms can be asked for here. */
  async start(): Promise<void> {
    const { server, self, controls } = this.#parts;
    this.#manager = await server.handle(RoomManager.CreateRoom, self, async (request) => {
      const room = await controls.createRoom(request);
      // The next question may follow at once.
      await this.#served.get(roomKey(request.name));
      return room;
    });
  }

  /** No rooms can be asked for from now on. Idempotent. */
  async stop(): Promise<void> {
    await this.#manager?.end();
  }

  roomOpened(room: RoomName): void {
    this.#serve(roomKey(room), () => this.#roomHandlers(room));
  }

  roomClosed(room: RoomName): void {
    this.#end(roomKey(room));
  }

  participantJoined(room: RoomName, identity: Identity): void {
    this.#serve(participantKey(room, identity), () => this.#participantHandlers(room, identity));
  }

  participantLeft(room: RoomName, identity: Identity): void {
    this.#end(participantKey(room, identity));
  }

  #serve(key: string, register: () => Promise<Registration>[]): void {
    this.#end(key);
    const before = this.#ending.get(key) ?? Promise.resolve();
    const registered = before.then(() => this.#registered(register()));
    this.#served.set(key, registered);
  }

  /** Never rejects: what can't be served is told of. */
  async #registered(registering: Promise<Registration>[]): Promise<Registration[]> {
    const outcomes = await Promise.allSettled(registering);
    return outcomes.flatMap((outcome) => {
      if (outcome.status === 'fulfilled') return [outcome.value];
      this.#parts.onError(outcome.reason);
      return [];
    });
  }

  #end(key: string): void {
    const registered = this.#served.get(key);
    if (registered === undefined) return;
    this.#served.delete(key);
    const ended = registered
      .then(async (registrations) => {
        await Promise.all(registrations.map((registration) => registration.end()));
      })
      .catch(this.#parts.onError)
      .finally(() => {
        if (this.#ending.get(key) === ended) this.#ending.delete(key);
      });
    this.#ending.set(key, ended);
  }

  #roomHandlers(topic: RoomName): Promise<Registration>[] {
    const { server, controls, hosted } = this.#parts;
    return [
      server.handle(Room.DeleteRoom, topic, async (request) => {
        await controls.deleteRoom(request);
        return new DeleteRoomResponse();
      }),
      server.handle(Room.SendData, topic, async (request) => {
        await controls.sendData(request);
        return new SendDataResponse();
      }),
      server.handle(Room.UpdateRoomMetadata, topic, (request) => controls.updateRoomMetadata(request)),
      server.handle(Room.ListParticipants, topic, async () => {
        return new ListParticipantsResponse({ participants: hosted.participants(topic) ?? [] });
      }),
      server.handle(Room.GetParticipant, topic, async ({ identity }) => {
        const found = hosted.participants(topic)?.find((participant) => participant.identity === identity);
        if (found === undefined) throw new RpcError('not_found', 'participant does not exist');
        return found;
      }),
      ...this.#dispatchHandlers(topic),
    ];
  }

  #dispatchHandlers(topic: RoomName): Promise<Registration>[] {
    const { server, controls } = this.#parts;
    return [
      server.handle(AgentDispatchInternal.CreateDispatch, topic, (wanted) => {
        const { room, agentName, metadata, restartPolicy, deployment, attributes } = wanted;
        return controls.createDispatch(
          new CreateAgentDispatchRequest({ room, agentName, metadata, restartPolicy, deployment, attributes }),
        );
      }),
      server.handle(AgentDispatchInternal.DeleteDispatch, topic, (request) => controls.deleteDispatch(request)),
      server.handle(AgentDispatchInternal.ListDispatch, topic, async ({ dispatchId }) => {
        const all = await controls.listDispatches(topic);
        const agentDispatches = all.filter(({ id }) => dispatchId === '' || id === dispatchId);
        return new ListAgentDispatchResponse({ agentDispatches });
      }),
    ];
  }

  #participantHandlers(room: RoomName, identity: Identity): Promise<Registration>[] {
    const { server, controls } = this.#parts;
    const topic = participantTopic(room, identity);
    return [
      server.handle(Participant.RemoveParticipant, topic, async (request) => {
        await controls.removeParticipant(request);
        return new RemoveParticipantResponse();
      }),
      server.handle(Participant.MutePublishedTrack, topic, (request) => controls.mutePublishedTrack(request)),
      server.handle(Participant.UpdateParticipant, topic, (request) => controls.updateParticipant(request)),
      server.handle(Participant.UpdateSubscriptions, topic, async (request) => {
        await controls.updateSubscriptions(request);
        return new UpdateSubscriptionsResponse();
      }),
      server.handle(Participant.PerformRpc, topic, (request) => controls.performRpc(request)),
      server.handle(Participant.ForwardParticipant, topic, async (): Promise<ForwardParticipantResponse> => {
        throw notImplemented();
      }),
      server.handle(Participant.MoveParticipant, topic, async (): Promise<MoveParticipantResponse> => {
        throw notImplemented();
      }),
    ];
  }
}

function roomKey(room: string): string {
  return `room ${room}`;
}

function participantKey(room: string, identity: string): string {
  return `participant ${participantTopic(room, identity)}`;
}

/** What only LiveKit's cloud has. */
function notImplemented(): RpcError {
  return new RpcError('unimplemented', 'operation is not implemented');
}
