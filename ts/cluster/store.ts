import type { Keyspace } from './keyspace.ts';
import { StoredDispatches } from './store-dispatches.ts';
import { StoredNodes } from './store-nodes.ts';
import { StoredParticipants } from './store-participants.ts';
import { StoredRooms } from './store-rooms.ts';
import type { DispatchStore, NodeDirectory, ParticipantStore, RoomStore, Store } from './types.ts';

/** The cluster's state under livekit-server's keys and in its encoding (livekit-facts 6), whatever holds the keys. */
export class KeyspaceStore implements Store {
  readonly rooms: RoomStore;
  readonly participants: ParticipantStore;
  readonly nodes: NodeDirectory;
  readonly dispatches: DispatchStore;

  constructor(keyspace: Keyspace) {
    this.rooms = new StoredRooms(keyspace);
    this.participants = new StoredParticipants(keyspace);
    this.nodes = new StoredNodes(keyspace);
    this.dispatches = new StoredDispatches(keyspace);
  }
}
