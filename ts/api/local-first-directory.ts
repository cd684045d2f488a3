import type { ParticipantInfo, Room } from '@livekit/protocol';
import type { Identity, RoomName } from '../lib/ids.ts';
import type { HostedRooms, RoomDirectory } from './types.ts';

/**
 * The whole cluster's rooms, of which those that are hosted here are known without asking: calls about them are answered
 * while Redis is away. A list of everything has to be whole, so that is asked for.
 */
export class LocalFirstDirectory implements RoomDirectory {
  readonly #hosted: HostedRooms;
  readonly #cluster: RoomDirectory;

  constructor(hosted: HostedRooms, cluster: RoomDirectory) {
    this.#hosted = hosted;
    this.#cluster = cluster;
  }

  async listRooms(names: RoomName[] | undefined): Promise<Room[]> {
    if (names === undefined) return this.#cluster.listRooms(undefined);
    const here: Room[] = [];
    const elsewhere: RoomName[] = [];
    for (const name of new Set(names)) {
      const room = this.#hosted.room(name);
      if (room === undefined) elsewhere.push(name);
      else here.push(room);
    }
    return elsewhere.length === 0 ? here : [...here, ...(await this.#cluster.listRooms(elsewhere))];
  }

  async listParticipants(room: RoomName): Promise<ParticipantInfo[]> {
    return this.#hosted.participants(room) ?? this.#cluster.listParticipants(room);
  }

  async loadParticipant(room: RoomName, identity: Identity): Promise<ParticipantInfo | undefined> {
    const here = this.#hosted.participants(room);
    if (here === undefined) return this.#cluster.loadParticipant(room, identity);
    return here.find((participant) => participant.identity === identity);
  }
}
