/** The rooms this node hosts. */

import type {
  AgentDispatch,
  CreateRoomRequest,
  RoomCompositeEgressRequest,
  Room as RoomMessage,
} from '@livekit/protocol';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Timer } from './clock.ts';
import type { RoomContext } from './context.ts';
import type { OwnedRooms, StoredRoom } from './contracts.ts';
import { KeyedLock } from './keyed-lock.ts';
import { Room } from './room.ts';
import { applyRequest, newRoom, withPreset } from './room-allocation.ts';

export interface RoomTotals {
  rooms: number;
  participants: number;
  tracksPublished: number;
  tracksSubscribed: number;
}

export class Rooms implements OwnedRooms {
  readonly #context: RoomContext;
  readonly #rooms = new Map<RoomName, Room>();
  /** Creation and deletion of one name never overlap. */
  readonly #lock = new KeyedLock<RoomName>();
  readonly #sweeper: Timer;
  #acceptsNew = true;
  #closing: Promise<void> | undefined;

  constructor(context: RoomContext) {
    this.#context = context;
    this.#sweeper = context.clock.every(SWEEP_MS, () => this.#sweep());
  }

  get(name: RoomName): Room | undefined {
    return this.#rooms.get(name);
  }

  /** Rooms that go on here. */
  *hosted(): Iterable<RoomName> {
    for (const room of this.#rooms.values()) if (!room.closed) yield room.name;
  }

  isHosted(name: RoomName): boolean {
    return this.#rooms.get(name)?.closed === false;
  }

  /** Whether rooms that are not here yet may come; those that are go on either way. */
  acceptNew(accept: boolean): void {
    this.#acceptsNew = accept;
  }

  republish(name: RoomName): void {
    this.#rooms.get(name)?.republish();
  }

  async lost(name: RoomName): Promise<void> {
    await this.#rooms.get(name)?.moveAway('lost');
  }

  async handOver(name: RoomName): Promise<void> {
    await this.#rooms.get(name)?.moveAway('givenUp');
  }

  giveUpEmpty(): void {
    // `moveAway` never rejects.
    for (const room of this.#rooms.values()) if (room.deserted) void room.moveAway('givenUp');
  }

  get totals(): RoomTotals {
    const totals = { rooms: this.#rooms.size, participants: 0, tracksPublished: 0, tracksSubscribed: 0 };
    for (const room of this.#rooms.values()) {
      const { published, subscribed } = room.trackCounts;
      totals.participants += room.members.size;
      totals.tracksPublished += published;
      totals.tracksSubscribed += subscribed;
    }
    return totals;
  }

  /**
   * The room, made from the request where it is not hosted here yet. The caller holds it and must release it. Without
   * `mayCreate` one that nobody created is `not_found`.
   */
  async acquire(request: CreateRoomRequest, mayCreate: boolean): Promise<Room> {
    const name = request.name as RoomName;
    const live = this.#rooms.get(name);
    if (live?.hold() === true) return live;
    return this.#lock.run(name, async () => {
      const { room, record } = await this.#hosted(name, request, mayCreate);
      room.hold();
      if (record !== undefined) room.egress.recordRoomLater(record);
      return room;
    });
  }

  /**
   * Creates the room, or applies what the request says to the one there is. A new room that is to be recorded and finds no
   * worker for it ends again, so that the same request may be made once more.
   */
  async create(request: CreateRoomRequest): Promise<RoomMessage> {
    const name = request.name as RoomName;
    const { room, record } = await this.#lock.run(name, async () => {
      const known = this.#rooms.get(name);
      const hosted = await this.#hosted(name, request, true);
      const { room } = hosted;
      if (room === known) room.replace(applyRequest(room.stored, withPreset(this.#context.config, request)));
      await room.persisted();
      room.hold();
      return hosted;
    });
    try {
      await (record === undefined ? room.egress.recorded() : room.egress.recordRoom(record));
      return room.snapshot();
    } catch (error) {
      if (room.members.size === 0) await room.close('roomClosed');
      throw error;
    } finally {
      room.release();
    }
  }

  /** Runs under the name's lock. */
  async #hosted(name: RoomName, request: CreateRoomRequest, mayCreate: boolean): Promise<Hosted> {
    if (this.#closing !== undefined) throw new RpcError('unavailable', 'the server is shutting down');
    const live = this.#rooms.get(name);
    if (live !== undefined && !live.closed) return { room: live, record: undefined };
    // What is ending removes itself from the store first.
    await live?.close('roomClosed');
    const complete = withPreset(this.#context.config, request);
    if (!this.#acceptsNew) throw new RpcError('unavailable', 'this node is draining');
    const { stored, former, created } = await this.#own(name, () => this.#allocate(name, complete, mayCreate));
    const room = new Room(this.#context, stored, former, (closed) => this.#forget(closed));
    this.#rooms.set(name, room);
    this.#context.presence.roomOpened(name);
    room.dispatches.open();
    room.log.info('room started');
    // What a former owner had sent before it died may have arrived after what we wrote.
    if (!created) this.#context.clock.after(REWRITE_MS, () => room.republish());
    return { room, record: created ? complete.egress?.room : undefined };
  }

  /** What goes wrong with a room that was made ours leaves it free for others. */
  async #own(name: RoomName, allocate: () => Promise<Allocated>): Promise<Allocated> {
    const { ownership } = this.#context;
    await ownership.claim(name);
    try {
      return await allocate();
    } catch (error) {
      await ownership.release(name, false);
      throw error;
    }
  }

  async #allocate(name: RoomName, request: CreateRoomRequest, mayCreate: boolean): Promise<Allocated> {
    const { store, config, clock } = this.#context;
    const unlock = await store.rooms.lock(name);
    try {
      const known = await store.rooms.load(name);
      if (known === undefined && !mayCreate) throw new RpcError('not_found', 'requested room does not exist');
      const stored = applyRequest(known ?? newRoom(config, name, clock.now()), request);
      await store.rooms.store(stored.room, stored.internal);
      if (known !== undefined) await this.#removeFormerParticipants(name);
      const former = known === undefined ? [] : await store.dispatches.list(name);
      return { stored, former, created: known === undefined };
    } finally {
      await unlock();
    }
  }

  /** Those of a node that had the room and is dead, or gave it up. */
  async #removeFormerParticipants(name: RoomName): Promise<void> {
    const { participants } = this.#context.store;
    for (const { identity } of await participants.list(name)) await participants.remove(name, identity as Identity);
  }

  /** Everybody leaves with ROOM_DELETED; the store forgets the room, hosted or not. */
  async delete(name: RoomName): Promise<void> {
    await this.#lock.run(name, async () => {
      const room = this.#rooms.get(name);
      if (room !== undefined) return room.close('roomDeleted');
      const { ownership } = this.#context;
      await ownership.claim(name);
      await ownership.release(name, true);
    });
  }

  #forget(room: Room): void {
    if (this.#rooms.get(room.name) !== room) return;
    this.#rooms.delete(room.name);
    this.#context.presence.roomClosed(room.name);
  }

  #sweep(): void {
    const now = this.#context.clock.now();
    for (const room of this.#rooms.values()) {
      room.closeIfIdle(now);
      room.retryPersisting();
    }
  }

  /** Ends all rooms with SERVER_SHUTDOWN. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sweeper.cancel();
    await Promise.all([...this.#rooms.values()].map((room) => room.close('serverShutdown')));
  }
}

interface Hosted {
  readonly room: Room;
  /** How the room is to be recorded from now on, where it is new. */
  readonly record: RoomCompositeEgressRequest | undefined;
}

interface Allocated {
  readonly stored: StoredRoom;
  /** Of the node that had it before. */
  readonly former: readonly AgentDispatch[];
  /** Whether no node had it before. */
  readonly created: boolean;
}

/** Longer than a command of a former owner may be on its way. */
const REWRITE_MS = 5000;
/** How often idle rooms are looked for. */
const SWEEP_MS = 1000;
