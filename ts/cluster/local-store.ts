/** The store of a single node: everything in this process, nothing outlives it. */

import type { ParticipantInfo, Room } from '@livekit/protocol';
import type { Identity, NodeId, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type {
  ClusterNode,
  NodeDirectory,
  ParticipantStore,
  RoomInternal,
  RoomStore,
  Store,
  StoredRoom,
} from './types.ts';

export class LocalStore implements Store {
  readonly participants = new LocalParticipants();
  readonly nodes = new LocalNodes();
  readonly rooms = new LocalRooms(this.participants, this.nodes);
}

class LocalRooms implements RoomStore {
  readonly #rooms = new Map<RoomName, StoredRoom>();
  readonly #locks = new RoomLocks();
  readonly #participants: LocalParticipants;
  readonly #nodes: LocalNodes;

  constructor(participants: LocalParticipants, nodes: LocalNodes) {
    this.#participants = participants;
    this.#nodes = nodes;
  }

  async load(name: RoomName): Promise<StoredRoom | undefined> {
    const stored = this.#rooms.get(name);
    return stored && copyOf(stored.room, stored.internal);
  }

  async list(names?: readonly RoomName[]): Promise<Room[]> {
    const found = names === undefined ? [...this.#rooms.values()] : names.map((name) => this.#rooms.get(name));
    return [...new Set(found)].flatMap((stored) => (stored === undefined ? [] : [stored.room.clone()]));
  }

  async store(room: Room, internal: RoomInternal): Promise<void> {
    this.#rooms.set(room.name as RoomName, copyOf(room, internal));
  }

  async remove(name: RoomName): Promise<void> {
    this.#rooms.delete(name);
    this.#participants.removeRoom(name);
    this.#nodes.removeRoom(name);
  }

  lock(name: RoomName): Promise<() => Promise<void>> {
    return this.#locks.take(name);
  }
}

function copyOf(room: Room, internal: RoomInternal): StoredRoom {
  return {
    room: room.clone(),
    internal: {
      ...internal,
      participantEgress: internal.participantEgress?.clone(),
      trackEgress: internal.trackEgress?.clone(),
      agentDispatches: internal.agentDispatches.map((dispatch) => dispatch.clone()),
      playoutDelay: internal.playoutDelay?.clone(),
    },
  };
}

interface Lock {
  release(): void;
  expiry: NodeJS.Timeout;
}

/** Locks in the order they were asked for; each ends by itself. */
class RoomLocks {
  readonly #held = new Map<RoomName, Lock>();
  readonly #waiting = new Map<RoomName, (() => void)[]>();

  async take(name: RoomName): Promise<() => Promise<void>> {
    if (this.#held.has(name)) await this.#turn(name);
    let open = true;
    const release = () => {
      if (!open) return;
      open = false;
      clearTimeout(lock.expiry);
      // Handed over without a gap in which a third could take it.
      if (!this.#next(name)) this.#held.delete(name);
    };
    const lock: Lock = { release, expiry: setTimeout(release, LOCK_LIFETIME_MS) };
    lock.expiry.unref();
    this.#held.set(name, lock);
    return async () => release();
  }

  #turn(name: RoomName): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, queue);
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(called), 1);
        reject(new RpcError('internal', 'could not lock room'));
      }, LOCK_WAIT_MS);
      timer.unref();
      const called = () => {
        clearTimeout(timer);
        resolve();
      };
      queue.push(called);
    });
  }

  #next(name: RoomName): boolean {
    const queue = this.#waiting.get(name);
    const first = queue?.shift();
    if (queue?.length === 0) this.#waiting.delete(name);
    first?.();
    return first !== undefined;
  }
}

class LocalParticipants implements ParticipantStore {
  readonly #rooms = new Map<RoomName, Map<Identity, ParticipantInfo>>();

  async load(room: RoomName, identity: Identity): Promise<ParticipantInfo | undefined> {
    return this.#rooms.get(room)?.get(identity)?.clone();
  }

  async list(room: RoomName): Promise<ParticipantInfo[]> {
    return [...(this.#rooms.get(room)?.values() ?? [])].map((participant) => participant.clone());
  }

  async store(room: RoomName, participant: ParticipantInfo): Promise<void> {
    const members = this.#rooms.get(room) ?? new Map<Identity, ParticipantInfo>();
    members.set(participant.identity as Identity, participant.clone());
    this.#rooms.set(room, members);
  }

  async remove(room: RoomName, identity: Identity): Promise<void> {
    const members = this.#rooms.get(room);
    members?.delete(identity);
    if (members?.size === 0) this.#rooms.delete(room);
  }

  removeRoom(room: RoomName): void {
    this.#rooms.delete(room);
  }
}

class LocalNodes implements NodeDirectory {
  readonly #nodes = new Map<NodeId, ClusterNode>();
  readonly #rooms = new Map<RoomName, NodeId>();

  async register(node: ClusterNode): Promise<void> {
    this.#nodes.set(node.id, structuredClone(node));
  }

  async unregister(id: NodeId): Promise<void> {
    this.#nodes.delete(id);
  }

  async list(): Promise<ClusterNode[]> {
    return [...this.#nodes.values()].map((node) => structuredClone(node));
  }

  async nodeForRoom(room: RoomName): Promise<ClusterNode | undefined> {
    const id = this.#rooms.get(room);
    const node = id === undefined ? undefined : this.#nodes.get(id);
    return node && structuredClone(node);
  }

  async assignRoom(room: RoomName, node: NodeId): Promise<void> {
    this.#rooms.set(room, node);
  }

  removeRoom(room: RoomName): void {
    this.#rooms.delete(room);
  }
}

/** As long as livekit-server's lock in Redis. */
const LOCK_LIFETIME_MS = 5_000;
const LOCK_WAIT_MS = 5_000;
