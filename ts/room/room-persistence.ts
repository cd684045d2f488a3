/** Keeps a room and its participants in the store of the cluster, where API calls on any node read them. */

import type { ParticipantInfo, Room as RoomMessage } from '@livekit/protocol';
import type { Logger } from 'pino';
import type { Identity, RoomName } from '../lib/ids.ts';
import type { ParticipantStore, RoomInternal, RoomStore } from './contracts.ts';

export interface PersistenceStore {
  readonly rooms: RoomStore;
  readonly participants: ParticipantStore;
}

export class RoomPersistence {
  readonly #store: PersistenceStore;
  readonly #name: RoomName;
  readonly #log: Logger;
  #room: { room: RoomMessage; internal: RoomInternal } | undefined;
  /** What to write; undefined to remove. */
  readonly #participants = new Map<Identity, ParticipantInfo | undefined>();
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(store: PersistenceStore, name: RoomName, log: Logger) {
    this.#store = store;
    this.#name = name;
    this.#log = log;
  }

  saveRoom(room: RoomMessage, internal: RoomInternal): void {
    this.#room = { room, internal };
    this.#write();
  }

  saveParticipant(identity: Identity, info: ParticipantInfo): void {
    this.#participants.set(identity, info);
    this.#write();
  }

  removeParticipant(identity: Identity): void {
    this.#participants.set(identity, undefined);
    this.#write();
  }

  /** Resolves once everything said so far is written, or could not be. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Removes the room and everybody in it from the store. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#participants.clear();
    this.#room = undefined;
    await this.settled();
    await this.#attempt(() => this.#store.rooms.remove(this.#name));
  }

  /** Many changes at once become one write each. */
  #write(): void {
    if (this.#closed) return;
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // What changes in this turn of the event loop is written once.
    await Promise.resolve();
    while (this.#room !== undefined || this.#participants.size > 0) {
      const room = this.#room;
      const participants = [...this.#participants];
      this.#room = undefined;
      this.#participants.clear();
      await Promise.all([
        room === undefined ? undefined : this.#attempt(() => this.#store.rooms.store(room.room, room.internal)),
        ...participants.map(([identity, info]) => this.#attempt(() => this.#writeParticipant(identity, info))),
      ]);
    }
    // In the same step as the last look: a change between the two would wait for the next one.
    this.#writing = undefined;
  }

  #writeParticipant(identity: Identity, info: ParticipantInfo | undefined): Promise<void> {
    const { participants } = this.#store;
    return info === undefined ? participants.remove(this.#name, identity) : participants.store(this.#name, info);
  }

  /** The room goes on while the store is away; what it missed it gets with the next change. */
  async #attempt(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#log.warn({ error, room: this.#name }, 'could not store room state');
    }
  }
}
