/**
 * This node among others, from the bottom up: its lease, who else is alive, which rooms are its own, its record, and how it
 * is emptied. Without Redis there is nobody else, and every room is its own.
 */

import { Drain, type DrainedAgents, type DrainedRooms } from './cluster/drain.ts';
import { Janitor } from './cluster/janitor.ts';
import { NodeLease } from './cluster/lease.ts';
import { ClusterMembers } from './cluster/members.ts';
import { monotonicClock } from './cluster/monotonic.ts';
import { LocalNode, type NodeLoad } from './cluster/node.ts';
import { RoomOwners } from './cluster/owners.ts';
import { ClusterRouter } from './cluster/router.ts';
import { NodeSelector } from './cluster/select/selector.ts';
import type { SelectorSettings } from './cluster/select/settings.ts';
import { SoleOwnership } from './cluster/sole-ownership.ts';
import { ROOM_NODE_MAP } from './cluster/store-keys.ts';
import { SystemLoad } from './cluster/system-load.ts';
import type { OwnedRooms, RoomOwnership, Router } from './cluster/types.ts';
import { LeaseWatch } from './cluster/watch.ts';
import type { ClusterLinks } from './cluster-root.ts';
import type { Config } from './config/schema.ts';
import type { NodeId, RoomName } from './lib/ids.ts';
import type { Log } from './log/log.ts';

export interface NodeRootParts {
  readonly config: Config;
  readonly self: NodeId;
  readonly ip: string;
  readonly links: ClusterLinks;
  readonly load: () => Promise<NodeLoad>;
  readonly log: Log;
}

/** What a router needs to know of this node's own rooms. */
export interface LocalRooms<Host> {
  readonly local: Host;
  readonly remoteHost: (node: NodeId) => Host;
  readonly isHostedHere: (room: RoomName) => boolean;
}

export class NodeRoot {
  readonly node: LocalNode;
  readonly members: ClusterMembers;
  readonly ownership: RoomOwnership;
  readonly #parts: NodeRootParts;
  readonly #selector: NodeSelector;
  readonly #cluster: Clustered | undefined;

  /** Throws where `node_selector` asks for what can't be. */
  constructor(parts: NodeRootParts) {
    const { config, self, ip, links, load, log } = parts;
    const { store } = links;
    const onError = onErrors(log);
    this.#parts = parts;
    this.#selector = new NodeSelector(selectorSettings(config), Math.random);
    const watch = links.clustered ? leaseWatch(parts, onError) : undefined;
    const own = () => (this.node.state === 'startingUp' ? undefined : this.node.record);
    this.members = new ClusterMembers({ self, directory: store.nodes, watch, now, own });
    this.#cluster = watch === undefined ? undefined : clustered(parts, this.members, watch, onError);
    this.ownership = this.#cluster?.owners ?? new SoleOwnership((room) => store.rooms.remove(room), onError);
    this.node = new LocalNode({
      id: self,
      ip,
      region: config.region,
      directory: store.nodes,
      client: links.client,
      server: links.server,
      load,
      system: new SystemLoad(),
      now,
      clock: monotonicClock,
      onError,
      interval: config.node_stats.stats_update_interval,
      maxDelay: config.node_stats.stats_max_delay,
      rateIntervals: config.node_stats.stats_rate_measurement_intervals,
    });
  }

  /** The directory may have been emptied, or this node taken out of it as dead. */
  #announceWithLeases(): void {
    this.#cluster?.lease.onAcquired(() => void this.node.announce());
  }

  router<Host>(rooms: LocalRooms<Host>): Router<Host> {
    const { self, links, config } = this.#parts;
    const { num_tracks: numTracks, bytes_per_sec: bytesPerSec } = config.limit;
    return new ClusterRouter({
      ...rooms,
      self,
      store: links.store,
      owners: this.#cluster?.owners ?? { ownerOf: async () => undefined },
      members: this.members,
      selector: this.#selector,
      limits: { numTracks, bytesPerSec },
    });
  }

  drain(rooms: DrainedRooms, agents: DrainedAgents): Drain {
    return new Drain({
      node: this.node,
      rooms,
      agents,
      othersServe: async () => {
        if (this.#cluster === undefined) return false;
        const others = (await this.members.list()).filter(({ id }) => id !== this.#parts.self);
        return others.some((other) => other.state === 'serving' && this.members.isAvailable(other));
      },
      deadline: this.#parts.config.drain.deadline,
      clock: monotonicClock,
      now,
      log: this.#parts.log,
    });
  }

  /** Whether new rooms can come here. */
  get takesRooms(): boolean {
    const { lease } = this.#cluster ?? {};
    return this.node.state === 'serving' && (lease?.valid ?? true) && this.#parts.links.keyspace.link.up;
  }

  /** For metrics. */
  get figures() {
    const { lease, owners, watch } = this.#cluster ?? {};
    return {
      leaseValid: lease?.valid ?? true,
      leasesLost: lease?.lost ?? 0,
      roomsClaimed: owners?.claimed ?? 0,
      roomsLost: owners?.lost ?? 0,
      nodesGone: watch?.gone ?? 0,
      nodesAvailable: this.members.available,
    };
  }

  /** Resolves where Redis is away, too: what needs it follows. */
  async start(rooms: OwnedRooms): Promise<void> {
    await this.#cluster?.lease.start();
    this.#cluster?.watch.start();
    this.#cluster?.owners.start(rooms);
    this.#cluster?.janitor.start();
    await this.node.start();
    this.#announceWithLeases();
  }

  /** The records of this node are gone then, and others may have what it owned. Idempotent. */
  async stop(): Promise<void> {
    await this.#cluster?.janitor.stop();
    await this.#cluster?.owners.stop();
    await this.#cluster?.watch.stop();
    await this.node.stop();
    await this.#cluster?.lease.stop();
  }
}

interface Clustered {
  readonly lease: NodeLease;
  readonly watch: LeaseWatch;
  readonly owners: RoomOwners;
  readonly janitor: Janitor;
}

type OnError = (error: unknown) => void;

function leaseWatch({ links, self }: NodeRootParts, onError: OnError): LeaseWatch {
  const { keyspace, store } = links;
  const nodes = async () => (await store.nodes.list()).map(({ id }) => id);
  return new LeaseWatch({ keyspace, clock: monotonicClock, self, nodes, onError });
}

function clustered(
  { links, self }: NodeRootParts,
  members: ClusterMembers,
  watch: LeaseWatch,
  onError: OnError,
): Clustered {
  const { keyspace, store } = links;
  const clock = monotonicClock;
  const lease = new NodeLease({ keyspace, node: self, clock, onError });
  const owners = new RoomOwners({
    keyspace,
    self,
    lease,
    watch,
    clock,
    foreignOwner: (room) => members.foreignOwner(room),
    assign: (room) => store.nodes.assignRoom(room, self),
    unassign: async (room) => {
      await keyspace.hashSwap(ROOM_NODE_MAP, room, self, undefined);
    },
    removeRoom: (room) => store.rooms.remove(room),
    onError,
  });
  const janitor = new Janitor({ self, keyspace, store, lease, owners, members, clock, now, onError });
  return { lease, watch, owners, janitor };
}

function selectorSettings({ node_selector, region }: Config): SelectorSettings {
  const { kind, sort_by: sortBy, algorithm, cpu_load_limit, sysload_limit, regions } = node_selector;
  return { kind, sortBy, algorithm, cpuLoadLimit: cpu_load_limit, sysloadLimit: sysload_limit, regions, region };
}

/** One line per second, however many things fail. */
function onErrors(log: Log): OnError {
  let lastAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const at = performance.now();
    if (at - lastAt < QUIET_MS) return;
    lastAt = at;
    log.warn({ error: error instanceof Error ? error.message : String(error) }, 'could not update the cluster');
  };
}

const now = () => new Date();
const QUIET_MS = 1000;
