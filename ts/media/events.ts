/** What a worker reports: the mirror of `crates/sfu/src/event.rs`, where each field is explained. */

import type {
  Candidate,
  DownTrackId,
  DtlsRole,
  MediaKind,
  MediaParticipantId,
  MediaRoomId,
  PeerId,
  UpTrackId,
} from './commands.ts';

export type IceState = 'checking' | 'connected' | 'disconnected' | 'failed';

export type PeerCloseReason =
  | 'portsExhausted'
  | 'fingerprintMismatch'
  | 'dtlsFailed'
  | 'remoteClosed'
  | 'internalError';

export interface LayerState {
  active: boolean;
  width: number;
  height: number;
  bitrate: number;
}

export interface AudioLevel {
  track: UpTrackId;
  level: number;
  active: boolean;
}

/** What came of a stream in the last window of 5 s. */
export interface StreamWindow {
  expected: number;
  received: number;
  late: number;
  jitterUs: number;
}

export interface TrackQuality {
  track: UpTrackId;
  score: number;
  lost: boolean;
  window: StreamWindow;
}

export interface DownTrackQuality {
  down: DownTrackId;
  score: number;
  lost: boolean;
  loss: number;
  rttMs: number;
  window: StreamWindow;
}

export type Answer =
  | { type: 'workerStats'; counters: [string, number][] }
  | { type: 'peerStats'; found: boolean; counters: [string, number][]; tracks: MediaKind[] }
  | { type: 'dataSequence'; sequence: number };

export type PeerEvent =
  | { type: 'peerOpened'; peer: PeerId; candidates: Candidate[] }
  | { type: 'iceState'; peer: PeerId; state: IceState; pair: string | null }
  | { type: 'peerConnected'; peer: PeerId; srtpProfile: string; role: DtlsRole; iceMs: number; dtlsMs: number }
  | { type: 'peerClosed'; peer: PeerId; reason: PeerCloseReason; detail: string }
  | { type: 'dataChannelOpened'; peer: PeerId; label: string };

export type UpTrackEvent =
  | { type: 'trackStarted'; track: UpTrackId; pt: number; layer: number }
  | { type: 'layers'; track: UpTrackId; layers: LayerState[] };

export type DownTrackEvent = { type: 'downTrackStarted'; down: DownTrackId };

export type DataEvent = {
  type: 'data';
  room: MediaRoomId;
  participant: MediaParticipantId;
  sink: string;
  packet: string;
};

export type AudioLevelsEvent = { type: 'audioLevels'; levels: AudioLevel[] };
export type QualityEvent = { type: 'quality'; up: TrackQuality[]; down: DownTrackQuality[] };
export type AnswerEvent = { type: 'answer'; id: number; answer: Answer };

export type Event =
  | PeerEvent
  | UpTrackEvent
  | DownTrackEvent
  | DataEvent
  | AudioLevelsEvent
  | QualityEvent
  | AnswerEvent;
