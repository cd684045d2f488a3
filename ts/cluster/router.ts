import type { NodeId, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { ClusterMembers } from './members.ts';
import { noStats } from './node-record.ts';
import type { RoomOwners } from './owners.ts';
import { isFull } from './select/load.ts';
import type { NodeSelector } from './select/selector.ts';
import type { NodeLimits } from './select/settings.ts';
import type { ClusterNode, Router, Store } from './types.ts';

export interface ClusterRouterParts<Host> {
  readonly self: NodeId;
  readonly local: Host;
  readonly remoteHost: (node: NodeId) => Host;
  /** Rooms that run here are found without asking Redis, so that they can be joined while it is away. */
  readonly isHostedHere: (room: RoomName) => boolean;
  readonly store: Pick<Store, 'rooms' | 'nodes'>;
  readonly owners: Pick<RoomOwners, 'ownerOf'>;
  readonly members: Pick<ClusterMembers, 'list' | 'isAvailable' | 'hasLease'>;
  readonly selector: NodeSelector;
  readonly limits: NodeLimits;
}

/** Finds the node of a room among many (livekit-facts 8). */
export class ClusterRouter<Host> implements Router<Host> {
  readonly #parts: ClusterRouterParts<Host>;

  constructor(parts: ClusterRouterParts<Host>) {
    this.#parts = parts;
  }

  /**
   * Rejects with `unavailable` where the room's node is full, no node takes rooms, or Redis does not answer. `preferred`
   * counts where the room has no node yet.
   */
  async hostForRoom(room: RoomName, preferred?: NodeId): Promise<Host> {
    const { isHostedHere, local, self, remoteHost, limits } = this.#parts;
    if (isHostedHere(room)) return local;
    const node = (await this.#current(room, await this.#nodes())) ?? (await this.#allocate(room, preferred));
    if (isFull(node.stats, limits)) throw new RpcError('unavailable', 'reached configured limit for node');
    return node.id === self ? local : remoteHost(node.id);
  }

  /** Two nodes that are asked for one room at once choose one after the other. */
  async #allocate(room: RoomName, preferred: NodeId | undefined): Promise<ClusterNode> {
    const { store, selector } = this.#parts;
    const unlock = await store.rooms.lock(room);
    try {
      const nodes = await this.#nodes();
      const current = await this.#current(room, nodes);
      if (current !== undefined) return current;
      const wanted = nodes.find(({ id }) => id === preferred);
      const node = wanted ?? selector.select(nodes.filter(({ state }) => state === 'serving'));
      await store.nodes.assignRoom(room, node.id);
      return node;
    } finally {
      await unlock();
    }
  }

  /** The node that has the room and is there. */
  async #current(room: RoomName, nodes: readonly ClusterNode[]): Promise<ClusterNode | undefined> {
    const { owners, store, members } = this.#parts;
    const byId = (id: NodeId | undefined) => nodes.find((node) => node.id === id);
    const owner = await owners.ownerOf(room);
    if (owner !== undefined) {
      const known = byId(owner.node);
      if (known !== undefined) return known;
      // Its lease says that it is there, even where its record was lost and is not written again yet.
      if (members.hasLease(owner.node)) return unrecorded(owner.node);
    }
    const assigned = byId((await store.nodes.nodeForRoom(room))?.id);
    // One that is leaving and has not begun with the room needs not begin. Of livekit-server's that can't be told.
    return assigned !== undefined && (assigned.state === 'serving' || !this.#hasLease(assigned)) ? assigned : undefined;
  }

  #hasLease({ id }: ClusterNode): boolean {
    return this.#parts.members.hasLease(id);
  }

  /** Those that are there, with those that are leaving. */
  async #nodes(): Promise<ClusterNode[]> {
    const { members } = this.#parts;
    return (await members.list()).filter((node) => members.isAvailable(node));
  }
}

function unrecorded(id: NodeId): ClusterNode {
  return { id, ip: '', region: '', state: 'serving', stats: noStats() };
}
