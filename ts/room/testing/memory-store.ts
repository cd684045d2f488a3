import type { ParticipantInfo, Room as RoomMessage } from '@livekit/protocol';
import { LocalKeyspace } from '../../cluster/local-keyspace.ts';
import { StoredDispatches } from '../../cluster/store-dispatches.ts';
import type { Identity, RoomName } from '../../lib/ids.ts';
import type { DispatchStore, ParticipantStore, RoomInternal, RoomStore, StoredRoom } from '../contracts.ts';

/** What rooms wrote, to look at. */
export class MemoryStore {
  readonly roomEntries = new Map<RoomName, StoredRoom>();
  readonly participantEntries = new Map<RoomName, Map<Identity, ParticipantInfo>>();

  readonly dispatches: DispatchStore = new StoredDispatches(new LocalKeyspace());

  readonly rooms: RoomStore = {
    load: async (name) => this.roomEntries.get(name),
    list: async () => [...this.roomEntries.values()].map(({ room }) => room),
    store: async (room: RoomMessage, internal: RoomInternal) => {
      this.roomEntries.set(room.name as RoomName, { room: room.clone(), internal });
    },
    remove: async (name) => {
      this.roomEntries.delete(name);
      this.participantEntries.delete(name);
    },
    lock: async () => async () => {},
  };

  readonly participants: ParticipantStore = {
    load: async (room, identity) => this.participantEntries.get(room)?.get(identity),
    list: async (room) => [...(this.participantEntries.get(room)?.values() ?? [])],
    store: async (room, info) => {
      const entries = this.participantEntries.get(room) ?? new Map<Identity, ParticipantInfo>();
      this.participantEntries.set(room, entries.set(info.identity as Identity, info));
    },
    remove: async (room, identity) => {
      this.participantEntries.get(room)?.delete(identity);
    },
  };
}
