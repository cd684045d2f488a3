/**
 * Where rooms and nodes are known. Each interface has a local implementation, and one over Redis with livekit-server's
 * keys; single node is not a special case for anybody else.
 */

import type {
  AutoParticipantEgress,
  AutoTrackEgress,
  ParticipantInfo,
  PlayoutDelay,
  Room,
  RoomAgentDispatch,
} from '@livekit/protocol';
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

export type NodeState = 'startingUp' | 'serving' | 'shuttingDown' | 'suspended';

export interface NodeStats {
  /** Unix seconds. */
  startedAt: number;
  updatedAt: number;
  numRooms: number;
  numClients: number;
  numTracksIn: number;
  numTracksOut: number;
  numCpus: number;
  loadAvgLast1min: number;
  loadAvgLast5min: number;
  loadAvgLast15min: number;
  memoryUsed: number;
  memoryTotal: number;
}

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
}

/** Finds the node of a room. `Host` is what a node offers to others: here itself, from another node a proxy. */
export interface Router<Host> {
  /** The room's host; a room without a (living) node gets one, `preferred` if given. */
  hostForRoom(room: RoomName, preferred?: NodeId): Promise<Host>;
}
