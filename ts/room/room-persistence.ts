/** Keeps a room and its participants in the store of the cluster, where API calls on any node read them. */

import type { ParticipantInfo, Room as RoomMessage } from '@livekit/protocol';
import type { Logger } from 'pino';
import type { Identity, RoomName } from '../lib/ids.ts';
import type { ParticipantStore, RoomInternal, RoomStore } from './contracts.ts';

export interface PersistenceStore {
  readonly rooms: RoomStore;
  readonly participants: ParticipantStore;
}

/** Whether the room is this node's own to write about. */
export interface WriteRight {
  holds(room: RoomName): boolean;
}

/**
 * ```
 * idle ──change──► writing ──all written──► idle
 *                     │ refused, or not ours at the moment
 *                     ▼
 *                  behind ──retry() or republish()──► writing
 * ```
 */
export class RoomPersistence {
  readonly #store: PersistenceStore;
  readonly #right: WriteRight;
  readonly #name: RoomName;
  readonly #log: Logger;
  #room: { room: RoomMessage; internal: RoomInternal } | undefined;
  /** What to write; undefined to remove. */
  readonly #participants = new Map<Identity, ParticipantInfo | undefined>();
  #writing: Promise<void> | undefined;
  /** Something could not be written and is kept for later. */
  #behind = false;
  #closed = false;

  constructor(store: PersistenceStore, right: WriteRight, name: RoomName, log: Logger) {
    this.#store = store;
    this.#right = right;
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

  /** Tries again what could not be written. */
  retry(): void {
    if (this.#behind) this.#write();
  }

  /** Resolves once everything said so far is written, or could not be. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Nothing is written from now on; resolves once nothing is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#participants.clear();
    this.#room = undefined;
    await this.settled();
  }

  /** Many changes at once become one write each. */
  #write(): void {
    if (this.#closed) return;
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // What changes in this turn of the event loop is written once.
    await Promise.resolve();
    this.#behind = false;
    while (!this.#behind && (this.#room !== undefined || this.#participants.size > 0)) {
      const room = this.#room;
      const participants = [...this.#participants];
      this.#room = undefined;
      this.#participants.clear();
      await Promise.all([
        room === undefined ? undefined : this.#attemptRoom(room),
        ...participants.map(([identity, info]) => this.#attemptParticipant(identity, info)),
      ]);
    }
    // In the same step as the last look: a change between the two would wait for the next one.
    this.#writing = undefined;
  }

  async #attemptRoom(entry: { room: RoomMessage; internal: RoomInternal }): Promise<void> {
    const written = await this.#attempt(() => this.#store.rooms.store(entry.room, entry.internal));
    if (!written && !this.#closed) this.#room ??= entry;
  }

  async #attemptParticipant(identity: Identity, info: ParticipantInfo | undefined): Promise<void> {
    const { participants } = this.#store;
    const written = await this.#attempt(() =>
      info === undefined ? participants.remove(this.#name, identity) : participants.store(this.#name, info),
    );
    if (!written && !this.#closed && !this.#participants.has(identity)) this.#participants.set(identity, info);
  }

  /** The room goes on while the store is away; what it missed it gets later. */
  async #attempt(write: () => Promise<void>): Promise<boolean> {
    if (!this.#right.holds(this.#name)) {
      this.#behind = true;
      return false;
    }
    try {
      await write();
      return true;
    } catch (error) {
      if (!this.#behind) this.#log.warn({ error, room: this.#name }, 'could not store room state');
      this.#behind = true;
      return false;
    }
  }
}
