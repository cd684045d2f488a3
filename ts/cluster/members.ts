import type { NodeId, RoomName } from '../lib/ids.ts';
import type { ClusterNode, Members, NodeDirectory } from './types.ts';
import type { LeaseWatch } from './watch.ts';

export interface MembersParts {
  readonly self: NodeId;
  readonly directory: NodeDirectory;
  /** Undefined without Redis: then nobody else is there. */
  readonly watch: LeaseWatch | undefined;
  readonly now: () => Date;
  /** This node as it is now, once it is in the directory: an outage may have cost it its record there. */
  readonly own?: () => ClusterNode | undefined;
}

/** The nodes of the cluster: Sluice nodes by their leases, those of livekit-server by their records (livekit-facts 8). */
export class ClusterMembers implements Members {
  readonly self: NodeId;
  readonly #parts: MembersParts;
  /** For metrics: nodes that could be given rooms when they were last listed. */
  available = 1;

  constructor(parts: MembersParts) {
    this.self = parts.self;
    this.#parts = parts;
  }

  async list(): Promise<ClusterNode[]> {
    const { directory, watch, own } = this.#parts;
    const all = await directory.list();
    const self = own?.() ?? all.find(({ id }) => id === this.self);
    const others = all.filter(({ id }) => id !== this.self && watch?.standing(id) !== 'missing');
    const living = self === undefined ? others : [self, ...others];
    this.available = living.filter((node) => node.state === 'serving' && this.isAvailable(node)).length;
    return living;
  }

  /**
   * Whether a node is there to be used. The record of a node of livekit-server is judged by the time of day, as its own
   * kind does; a lease needs no clock that agrees with ours.
   */
  isAvailable(node: ClusterNode): boolean {
    const standing = node.id === this.self ? 'alive' : (this.#parts.watch?.standing(node.id) ?? 'unknown');
    if (standing !== 'unknown') return standing === 'alive';
    return this.#parts.now().getTime() / 1000 - node.stats.updatedAt < AVAILABLE_SECONDS;
  }

  /** Whether it is one of ours, as far as could be seen. */
  hasLease(node: NodeId): boolean {
    return node === this.self || this.#parts.watch?.standing(node) === 'alive';
  }

  /** The node without leases, one of livekit-server, that has the room and is there. */
  async foreignOwner(room: RoomName): Promise<NodeId | undefined> {
    const { directory, watch } = this.#parts;
    const node = await directory.nodeForRoom(room);
    if (node === undefined || node.id === this.self || watch?.standing(node.id) !== 'unknown') return undefined;
    return this.isAvailable(node) ? node.id : undefined;
  }

  onGone(listener: (node: NodeId) => void): () => void {
    return this.#parts.watch?.onGone(listener) ?? (() => {});
  }
}

const AVAILABLE_SECONDS = 5;
