import { type Codec, Room as RoomMessage } from '@livekit/protocol';
import type { Clock, Timer } from './clock.ts';

export interface RoomCounts {
  /** Without dependent ones. */
  participants: number;
  publishers: number;
}

/** What a room says of itself; changes are announced at once or, for mere counts, within 5 s. */
export class RoomInfo {
  readonly #clock: Clock;
  readonly #counts: () => RoomCounts;
  readonly #announce: (room: RoomMessage) => void;
  #room: RoomMessage;
  #announced: RoomMessage;
  #timer: Timer | undefined;

  constructor(clock: Clock, room: RoomMessage, counts: () => RoomCounts, announce: (room: RoomMessage) => void) {
    this.#clock = clock;
    this.#room = room;
    this.#announced = room;
    this.#counts = counts;
    this.#announce = announce;
  }

  /** As it is now; a copy. */
  snapshot(): RoomMessage {
    const { participants, publishers } = this.#counts();
    return new RoomMessage({ ...this.#room, numParticipants: participants, numPublishers: publishers });
  }

  get enabledCodecs(): readonly Codec[] {
    return this.#room.enabledCodecs;
  }

  get maxParticipants(): number {
    return this.#room.maxParticipants;
  }

  /** Seconds. */
  get emptyTimeout(): number {
    return this.#room.emptyTimeout;
  }

  /** Seconds. */
  get departureTimeout(): number {
    return this.#room.departureTimeout;
  }

  get activeRecording(): boolean {
    return this.#room.activeRecording;
  }

  /** Announced at once. */
  edit(change: (room: RoomMessage) => void): void {
    const room = this.#room.clone();
    change(room);
    this.#room = room;
    this.#flush();
  }

  /** Somebody came, went or began to publish. */
  countsChanged(): void {
    this.#timer ??= this.#clock.after(COUNTS_INTERVAL_MS, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const room = this.snapshot();
    if (room.equals(this.#announced)) return;
    this.#announced = room;
    this.#announce(room);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** Counts of busy rooms change all the time; longer makes them staler for clients. */
const COUNTS_INTERVAL_MS = 5000;
