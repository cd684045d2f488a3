import type { ParticipantInfo, Room as RoomMessage } from '@livekit/protocol';
import type { HostedRooms } from '../api/types.ts';
import type { RoomName } from '../lib/ids.ts';
import type { Rooms } from './rooms.ts';

/** The rooms of this node as they are now. */
export class LiveRooms implements HostedRooms {
  readonly #rooms: Rooms;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
  }

  room(name: RoomName): RoomMessage | undefined {
    return this.#live(name)?.snapshot();
  }

  participants(name: RoomName): ParticipantInfo[] | undefined {
    const members = this.#live(name)?.members;
    return members === undefined ? undefined : [...members].map(({ participant }) => participant.info());
  }

  #live(name: RoomName) {
    const room = this.#rooms.get(name);
    return room?.closed === false ? room : undefined;
  }
}
