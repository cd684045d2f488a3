/** Which worker a participant lives on (docs/adr/0003). */

import type { MediaRoomId, WorkerId } from './commands.ts';
import type { Placement } from './types.ts';

export type PlacementPolicy = 'fill' | 'spread';

/** Participants of one room on one worker before the room takes another: enough for most rooms to need no link. */
const ROOM_SHARE = 24;

export class WorkerPlacement implements Placement {
  readonly #policy: PlacementPolicy;
  /** Participants by worker. */
  readonly #load: number[];
  /** Participants by room and worker. */
  readonly #rooms = new Map<MediaRoomId, number[]>();
  #next = 0;

  constructor(workers: number, policy: PlacementPolicy) {
    this.#policy = policy;
    this.#load = Array.from({ length: workers }, () => 0);
  }

  place(room: MediaRoomId): WorkerId {
    const inRoom = this.#rooms.get(room) ?? this.#load.map(() => 0);
    this.#rooms.set(room, inRoom);
    const worker = this.#policy === 'spread' ? this.#next++ % this.#load.length : this.#fill(inRoom);
    inRoom[worker] = (inRoom[worker] ?? 0) + 1;
    this.#load[worker] = (this.#load[worker] ?? 0) + 1;
    return worker as WorkerId;
  }

  release(room: MediaRoomId, worker: WorkerId): void {
    const inRoom = this.#rooms.get(room);
    const count = inRoom?.[worker] ?? 0;
    if (inRoom === undefined || count === 0) return;
    inRoom[worker] = count - 1;
    this.#load[worker] = (this.#load[worker] ?? 1) - 1;
    if (inRoom.every((participants) => participants === 0)) this.#rooms.delete(room);
  }

  /** A worker of the room that has room for one more of it; else the least loaded one of all. */
  #fill(inRoom: readonly number[]): number {
    const workers = [...inRoom.keys()];
    const roomy = workers.filter((worker) => inside(inRoom, worker) > 0 && inside(inRoom, worker) < ROOM_SHARE);
    if (roomy.length > 0) return least(roomy, (worker) => this.#weight(worker));
    const fresh = workers.filter((worker) => inside(inRoom, worker) === 0);
    if (fresh.length > 0) return least(fresh, (worker) => this.#weight(worker));
    // On every worker already, and large: even shares cost the least.
    return least(workers, (worker) => inside(inRoom, worker));
  }

  #weight(worker: number): number {
    return this.#load[worker] ?? 0;
  }
}

function inside(inRoom: readonly number[], worker: number): number {
  return inRoom[worker] ?? 0;
}

function least(workers: readonly number[], weight: (worker: number) => number): number {
  return workers.reduce((best, worker) => (weight(worker) < weight(best) ? worker : best), workers[0] ?? 0);
}
