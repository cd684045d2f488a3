import { ParticipantInfo } from '@livekit/protocol';
import type { Identity, RoomName } from '../lib/ids.ts';
import type { Keyspace } from './keyspace.ts';
import { participantsOf } from './store-keys.ts';
import { decode, decodeAll } from './store-records.ts';
import type { ParticipantStore } from './types.ts';

export class StoredParticipants implements ParticipantStore {
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  async load(room: RoomName, identity: Identity): Promise<ParticipantInfo | undefined> {
    const key = participantsOf(room);
    const value = await this.#keyspace.hashGet(key, identity);
    return value && decode(ParticipantInfo, value, key);
  }

  async list(room: RoomName): Promise<ParticipantInfo[]> {
    const participants = await decodeAll(this.#keyspace, participantsOf(room), ParticipantInfo);
    return [...participants.values()];
  }

  async store(room: RoomName, participant: ParticipantInfo): Promise<void> {
    await this.#keyspace.hashSet(participantsOf(room), participant.identity, participant.toBinary());
  }

  async remove(room: RoomName, identity: Identity): Promise<void> {
    await this.#keyspace.hashRemove(participantsOf(room), identity);
  }
}
