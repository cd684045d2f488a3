import type { RoomName } from '../lib/ids.ts';
import type { RoomOwnership } from './types.ts';

/** Without other nodes every room is this node's own, always. */
export class SoleOwnership implements RoomOwnership {
  readonly #removeRoom: (room: RoomName) => Promise<void>;
  readonly #onError: (error: unknown) => void;

  constructor(removeRoom: (room: RoomName) => Promise<void>, onError: (error: unknown) => void) {
    this.#removeRoom = removeRoom;
    this.#onError = onError;
  }

  async claim(): Promise<void> {}

  holds(): boolean {
    return true;
  }

  async release(room: RoomName, remove: boolean): Promise<void> {
    if (remove) await this.#removeRoom(room).catch(this.#onError);
  }
}
