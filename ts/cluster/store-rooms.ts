import { Room } from '@livekit/protocol';
import { RoomInternal as InternalRecord } from '../gen/cluster_pb.ts';
import type { RoomName } from '../lib/ids.ts';
import type { Keyspace } from './keyspace.ts';
import { dispatchesOf, jobsOf, participantsOf, ROOM_INTERNAL, ROOM_NODE_MAP, ROOMS } from './store-keys.ts';
import { RoomLocks } from './store-locks.ts';
import { decode, decodeAll, decodeSome } from './store-records.ts';
import type { RoomInternal, RoomStore, StoredRoom } from './types.ts';

export class StoredRooms implements RoomStore {
  readonly #keyspace: Keyspace;
  readonly #locks: RoomLocks;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#locks = new RoomLocks(keyspace);
  }

  async load(name: RoomName): Promise<StoredRoom | undefined> {
    const [room, internal] = await Promise.all([
      this.#keyspace.hashGet(ROOMS, name),
      this.#keyspace.hashGet(ROOM_INTERNAL, name),
    ]);
    if (room === undefined) return undefined;
    return {
      room: decode(Room, room, ROOMS),
      internal: internalOf(internal && decode(InternalRecord, internal, ROOM_INTERNAL)),
    };
  }

  async list(names?: readonly RoomName[]): Promise<Room[]> {
    const rooms =
      names === undefined
        ? await decodeAll(this.#keyspace, ROOMS, Room)
        : await decodeSome(this.#keyspace, ROOMS, names, Room);
    return [...rooms.values()];
  }

  async store(room: Room, internal: RoomInternal): Promise<void> {
    await this.#keyspace.many([
      { write: 'hashSet', key: ROOMS, field: room.name, value: room.toBinary() },
      {
        write: 'hashSet',
        key: ROOM_INTERNAL,
        field: room.name,
        value: new InternalRecord(internalFields(internal)).toBinary(),
      },
    ]);
  }

  async remove(name: RoomName): Promise<void> {
    await this.#keyspace.many([
      { write: 'hashRemove', key: ROOMS, fields: [name] },
      { write: 'hashRemove', key: ROOM_INTERNAL, fields: [name] },
      { write: 'remove', key: participantsOf(name) },
      { write: 'remove', key: dispatchesOf(name) },
      { write: 'remove', key: jobsOf(name) },
      // Last: while it stands, whoever asks for the room comes to the node that is removing it.
      { write: 'hashRemove', key: ROOM_NODE_MAP, fields: [name] },
    ]);
  }

  lock(name: RoomName): Promise<() => Promise<void>> {
    return this.#locks.take(name);
  }
}

/** A room without the record is one that a tool wrote, or whose second write was lost. */
function internalOf(record = new InternalRecord()): RoomInternal {
  const { participantEgress, trackEgress, agentDispatches, playoutDelay, syncStreams } = record;
  return { participantEgress, trackEgress, agentDispatches, playoutDelay, syncStreams };
}

function internalFields({ participantEgress, trackEgress, agentDispatches, playoutDelay, syncStreams }: RoomInternal) {
  return {
    ...(participantEgress === undefined ? {} : { participantEgress }),
    ...(trackEgress === undefined ? {} : { trackEgress }),
    ...(playoutDelay === undefined ? {} : { playoutDelay }),
    agentDispatches,
    syncStreams,
  };
}
