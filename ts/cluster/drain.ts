/**
 * How a node is emptied (livekit-facts 8, and better): no new rooms, rooms that empty are given up at once, and those that
 * are left when time is up go to other nodes, with everybody in them.
 *
 * ```
 *             drain()                    no participants left
 *  serving ─────────────► draining(until) ─────────────────────► done
 *     ▲                      │    │   time is up: rooms released,  ▲
 *     │                      │    └── participants told ───────────┘
 *     └───── undrain() ──────┴──────────────────────────────────────
 * ```
 */

import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Clock, Timer } from '../room/clock.ts';

/** The rooms of this node, as draining needs them. */
export interface DrainedRooms {
  readonly totals: { readonly rooms: number; readonly participants: number };
  hosted(): Iterable<RoomName>;
  /** Whether rooms that are not here yet may come. */
  acceptNew(accept: boolean): void;
  /** Rooms without participants are given up, for whoever wants them next. */
  giveUpEmpty(): void;
  /** Releases the room, and tells everybody in it to come back: they find it elsewhere. */
  handOver(room: RoomName): Promise<void>;
}

/** The workers of agents at this node. */
export interface DrainedAgents {
  /** They go to other nodes, one after the other. Idempotent. */
  leave(): void;
  /** Those that have not left stay. Idempotent. */
  stay(): void;
}

export interface DrainParts {
  readonly node: { setState(state: 'serving' | 'shuttingDown'): Promise<void> };
  readonly rooms: DrainedRooms;
  readonly agents: DrainedAgents;
  /** Whether there is another node that rooms could go to. */
  readonly othersServe: () => Promise<boolean>;
  /** Milliseconds; 0 to wait for ever. */
  readonly deadline: number;
  readonly clock: Clock;
  readonly now: () => Date;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

export type DrainState =
  | { readonly name: 'serving' }
  /** `until` undefined for no deadline. */
  | { readonly name: 'draining'; readonly until: Date | undefined }
  | { readonly name: 'done' };

/** As the API tells it. */
export interface DrainStatus {
  readonly state: DrainState['name'];
  /** ISO 8601; absent without a deadline. */
  readonly until?: string;
  readonly rooms: number;
  readonly participants: number;
}

export class Drain {
  readonly #parts: DrainParts;
  #state: DrainState = { name: 'serving' };
  #poll: Timer | undefined;
  #deadline: Timer | undefined;
  readonly #waiting = new Set<(emptied: boolean) => void>();
  #handingOver = false;
  #ending = false;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  get active(): boolean {
    return this.#state.name !== 'serving';
  }

  get status(): DrainStatus {
    const { rooms, participants } = this.#parts.rooms.totals;
    const until = this.#state.name === 'draining' ? this.#state.until : undefined;
    return {
      state: this.#state.name,
      ...(until === undefined ? {} : { until: until.toISOString() }),
      rooms,
      participants,
    };
  }

  /** Begins, with this many milliseconds instead of the configured ones; asked again, it changes the deadline. */
  async start(deadline = this.#parts.deadline): Promise<void> {
    if (this.#state.name === 'done') return;
    const { clock, now, node, log, rooms } = this.#parts;
    const until = deadline > 0 ? new Date(now().getTime() + deadline) : undefined;
    this.#deadline?.cancel();
    if (deadline > 0) this.#deadline = clock.after(deadline, () => void this.#timeIsUp());
    const first = this.#state.name === 'serving';
    this.#state = { name: 'draining', until };
    if (!first) return;
    log.info({ ...this.status }, 'draining: no new rooms');
    rooms.acceptNew(false);
    await node.setState('shuttingDown');
    this.#poll = clock.every(POLL_MS, () => void this.#look());
    await this.#look();
  }

  /** The process is to end: nothing undoes it from now on. Resolves once nobody is left, or all was closed before. */
  async finish(): Promise<void> {
    this.#ending = true;
    if (this.#state.name === 'serving') await this.start();
    await this.finished();
  }

  /** New rooms again; what is gone is gone. Rejects with `failed_precondition` where the process is about to end. */
  async undo(): Promise<void> {
    if (this.#ending) throw new RpcError('failed_precondition', 'the process is about to end');
    if (this.#state.name === 'serving') return;
    this.#stopTimers();
    this.#state = { name: 'serving' };
    this.#settle(false);
    this.#parts.log.info({}, 'serving again');
    this.#parts.rooms.acceptNew(true);
    this.#parts.agents.stay();
    await this.#parts.node.setState('serving');
  }

  /** Resolves to true once nobody is left, to false where draining was undone or ended before. */
  finished(): Promise<boolean> {
    if (this.#state.name === 'done') return Promise.resolve(true);
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  /** Ends the waiting, whatever is left. Idempotent. */
  close(): void {
    this.#stopTimers();
    this.#settle(false);
  }

  async #look(): Promise<void> {
    const { rooms, agents } = this.#parts;
    // Without another node nobody could have them.
    if (await this.#othersServe()) {
      rooms.giveUpEmpty();
      if (this.active) agents.leave();
    }
    if (this.#state.name === 'draining' && rooms.totals.participants === 0 && !this.#handingOver) this.#done();
  }

  #othersServe(): Promise<boolean> {
    return this.#parts.othersServe().catch(() => false);
  }

  #done(): void {
    this.#stopTimers();
    this.#state = { name: 'done' };
    this.#parts.log.info({}, 'drained');
    this.#settle(true);
  }

  /** Without another node nobody would be there to come back to: closing tells participants so. */
  async #timeIsUp(): Promise<void> {
    const { log } = this.#parts;
    this.#handingOver = true;
    try {
      const others = await this.#othersServe();
      log.warn({ ...this.status, others }, 'time to drain is up');
      if (others && this.#state.name === 'draining') {
        await this.#handOver();
      }
    } finally {
      this.#handingOver = false;
      if (this.#state.name === 'draining') this.#done();
    }
  }

  /** Whoever does not get out in time is told to come back when the server ends. */
  async #handOver(): Promise<void> {
    const { rooms, clock, log } = this.#parts;
    const left = new Set(rooms.hosted());
    const all = Promise.all([...left].map((room) => rooms.handOver(room).then(() => left.delete(room))));
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.after(HAND_OVER_MS, resolve);
    });
    try {
      await Promise.race([all, late]);
    } finally {
      timer?.cancel();
    }
    if (left.size > 0) log.warn({ rooms: [...left] }, 'rooms are not handed over in time');
  }

  #stopTimers(): void {
    this.#poll?.cancel();
    this.#deadline?.cancel();
  }

  #settle(emptied: boolean): void {
    for (const resolve of this.#waiting) resolve(emptied);
    this.#waiting.clear();
  }
}

const POLL_MS = 250;
/** A room is handed over in a fraction of a second; one that hangs does not hold the others, nor the end of the process. */
const HAND_OVER_MS = 10_000;
