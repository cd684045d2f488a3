/**
 * Where rooms and nodes are known: under livekit-server's keys in a keyspace that is in this process or in Redis, so that
 * single node is not a special case for anybody else.
 */

import type { PlainMessage } from '@bufbuild/protobuf';
import type {
  AgentDispatch,
  AutoParticipantEgress,
  AutoTrackEgress,
  Job,
  ParticipantInfo,
  PlayoutDelay,
  Room,
  RoomAgentDispatch,
} from '@livekit/protocol';
import type { NodeStatsRate as WireRate, NodeStats as WireStats } from '../gen/cluster_pb.ts';
import type { Identity, NodeId, RoomName } from '../lib/ids.ts';

/** What the cluster remembers about a room besides what clients see. */
export interface RoomInternal {
  participantEgress: AutoParticipantEgress | undefined;
  trackEgress: AutoTrackEgress | undefined;
  agentDispatches: RoomAgentDispatch[];
  playoutDelay: PlayoutDelay | undefined;
  syncStreams: boolean;
}

export interface StoredRoom {
  room: Room;
  internal: RoomInternal;
}

/** Rooms of the whole cluster. Values are copies in both directions: what a caller changes later is not stored. */
export interface RoomStore {
  load(name: RoomName): Promise<StoredRoom | undefined>;
  /** All rooms, or those of these names that exist; in no particular order. */
  list(names?: readonly RoomName[]): Promise<Room[]>;
  store(room: Room, internal: RoomInternal): Promise<void>;
  /** Removes the room, its participants and its node. Idempotent. */
  remove(name: RoomName): Promise<void>;
  /**
   * Excludes others who lock the same room; the returned function unlocks. Rejects with `internal` "could not lock room"
   * after 5 s. A lock also ends by itself 5 s after it was taken, so that a dead holder blocks nobody.
   */
  lock(name: RoomName): Promise<() => Promise<void>>;
}

/** Participants of the whole cluster, as API calls list them. Values are copies in both directions. */
export interface ParticipantStore {
  load(room: RoomName, identity: Identity): Promise<ParticipantInfo | undefined>;
  list(room: RoomName): Promise<ParticipantInfo[]>;
  store(room: RoomName, participant: ParticipantInfo): Promise<void>;
  /** Idempotent. */
  remove(room: RoomName, identity: Identity): Promise<void>;
}

/** Which agents rooms of the whole cluster called for, and their jobs. Values are copies in both directions. */
export interface DispatchStore {
  /** Each with its jobs. */
  list(room: RoomName): Promise<AgentDispatch[]>;
  /** Writes the dispatch without its jobs, which are written each on its own. */
  store(dispatch: AgentDispatch): Promise<void>;
  /** Leaves its jobs alone. Idempotent. */
  remove(room: RoomName, id: string): Promise<void>;
  /** Without their room; of their participant the identity alone. */
  listJobs(room: RoomName): Promise<Job[]>;
  /** Rejects with `invalid_argument` where the job names no room. */
  storeJob(job: Job): Promise<void>;
  /** Idempotent. */
  removeJob(room: RoomName, id: string): Promise<void>;
}

export type NodeState = 'startingUp' | 'serving' | 'shuttingDown' | 'suspended';

/** As livekit-server's nodes tell each other: counters run from the node's start, times are Unix seconds. */
export type NodeStats = Numbers<Omit<PlainMessage<WireStats>, 'rates'>> & { rates: NodeStatsRate[] };

/** What changed over one interval: figures per second, beside loads as they are at its end. */
export type NodeStatsRate = Numbers<PlainMessage<WireRate>>;

type Numbers<Fields> = { [Name in keyof Fields]: Fields[Name] extends bigint ? number : Fields[Name] };

export interface ClusterNode {
  id: NodeId;
  ip: string;
  region: string;
  state: NodeState;
  stats: NodeStats;
}

/** The nodes of the cluster and which of them hosts which room. */
export interface NodeDirectory {
  /** Writes this node's record; also how it is refreshed. */
  register(node: ClusterNode): Promise<void>;
  unregister(id: NodeId): Promise<void>;
  list(): Promise<ClusterNode[]>;
  nodeForRoom(room: RoomName): Promise<ClusterNode | undefined>;
  assignRoom(room: RoomName, node: NodeId): Promise<void>;
}

export interface Store {
  readonly rooms: RoomStore;
  readonly participants: ParticipantStore;
  readonly nodes: NodeDirectory;
  readonly dispatches: DispatchStore;
}

/** Finds the node of a room. `Host` is what a node offers to others: here itself, from another node a proxy. */
export interface Router<Host> {
  /** The room's host; a room without a (living) node gets one, `preferred` if given. */
  hostForRoom(room: RoomName, preferred?: NodeId): Promise<Host>;
}

/** The other nodes as this one sees them. */
export interface Members {
  readonly self: NodeId;
  /** Every node with a record, this one among them; those known to be dead are left out. */
  list(): Promise<ClusterNode[]>;
  /** Hears of each node that is certainly dead, once. The returned function ends it. */
  onGone(listener: (node: NodeId) => void): () => void;
}

/**
 * Which rooms this node may host and write about. A room is owned by one node of the cluster, and by nobody while its
 * owner's right is in doubt (docs/adr/0006-leases.md).
 */
export interface RoomOwnership {
  /** Makes the room this node's own; rejects with `unavailable` where it is another's, or nobody can say. */
  claim(room: RoomName): Promise<void>;
  /** Whether the room is this node's own at this instant. Nothing is written about a room that is not. */
  holds(room: RoomName): boolean;
  /** Gives the room up; what the store still has of it is removed first if `remove`. Never rejects. */
  release(room: RoomName, remove: boolean): Promise<void>;
}

/** What a node does with the rooms that it hosts when their ownership changes under it. */
export interface OwnedRooms {
  hosted(): Iterable<RoomName>;
  /** Ours again, perhaps in an empty store: everything about it is written anew. */
  republish(room: RoomName): void;
  /** Another's meanwhile: its participants are told to reconnect, and the store is left alone. */
  lost(room: RoomName): Promise<void>;
}
