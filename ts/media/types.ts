/**
 * The media plane as the control plane sees it. Two implementations: `engine.ts` over the native addon, and a
 * recorder in tests of negotiation and rooms.
 */

import type {
  Command,
  DownTrackId,
  Fingerprint,
  MediaParticipantId,
  MediaRoomId,
  PeerId,
  Query,
  UpTrackId,
  WorkerId,
} from './commands.ts';
import type {
  Answer,
  AudioLevel,
  DataEvent,
  DownTrackEvent,
  DownTrackQuality,
  PeerEvent,
  TrackQuality,
  UpTrackEvent,
} from './events.ts';

export interface MediaEngine {
  /** How many workers run; ids are 0 to this − 1. */
  readonly workers: number;
  /** Our DTLS certificate's hash, for every SDP. */
  readonly fingerprint: Fingerprint;
  /** Hands commands to a worker, in order; batched per tick, never blocks. */
  send(worker: WorkerId, command: Command): void;
  /** Asks a worker; rejects after 5 s or when the engine closes. */
  query<Q extends Query>(worker: WorkerId, query: Q): Promise<Extract<Answer, { type: Q['type'] }>>;
  /** Events of one peer, track, subscription or room go to the one handler set for it; `undefined` removes it. */
  onPeer(peer: PeerId, handler: ((event: PeerEvent) => void) | undefined): void;
  onUpTrack(track: UpTrackId, handler: UpTrackHandler | undefined): void;
  onDownTrack(down: DownTrackId, handler: DownTrackHandler | undefined): void;
  onRoomData(room: MediaRoomId, handler: ((event: DataEvent) => void) | undefined): void;
  /** Fresh ids, unique in this process. */
  nextPeer(): PeerId;
  nextUpTrack(): UpTrackId;
  nextDownTrack(): DownTrackId;
  nextParticipant(): MediaParticipantId;
  nextRoom(): MediaRoomId;
  /** Ends all workers; idempotent. */
  close(): Promise<void>;
}

/** Reports about a published section. */
export interface UpTrackHandler {
  event(event: UpTrackEvent): void;
  /** Each audio interval while audible, and once with level 0 afterwards. */
  audioLevel(level: AudioLevel): void;
  /** Each 5 s. */
  quality(quality: TrackQuality): void;
}

/** Reports about a subscription. */
export interface DownTrackHandler {
  event(event: DownTrackEvent): void;
  quality(quality: DownTrackQuality): void;
}

/** Chooses workers for participants; see `docs/adr/0003`. */
export interface Placement {
  /** A worker for a participant that joins this room; both its peers live there. */
  place(room: MediaRoomId): WorkerId;
  /** The participant left. */
  release(room: MediaRoomId, worker: WorkerId): void;
}
