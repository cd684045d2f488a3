/**
 * What rooms need of the configuration: a typed slice of livekit-facts 9.2, made by the composition root. Sizes are
 * bytes, durations milliseconds unless named otherwise, 0 means no limit.
 */

import type { RoomConfiguration } from '@livekit/protocol';
import type { DataBlobLimits } from './data-blobs.ts';
import type { DataTrackLimits } from './data-tracks.ts';
import type { FallbackSettings } from './fallback.ts';

export interface RoomConfig {
  /** False: rooms are made by CreateRoom, or by who may create rooms, only. */
  autoCreate: boolean;
  /** `room_configurations`, by preset name. */
  presets: ReadonlyMap<string, RoomConfiguration>;
  /** Codecs in the order they are listed to clients. */
  enabledCodecs: { mime: string; fmtpLine: string }[];
  /** Participants that are not dependent. */
  maxParticipants: number;
  /** Seconds until a room that nobody ever joined ends. */
  emptyTimeout: number;
  /** Seconds until a room ends after the last participant left. */
  departureTimeout: number;
  enableRemoteUnmute: boolean;
  playoutDelay: { enabled: boolean; min: number; max: number };
  syncStreams: boolean;
  /** Participant updates are split at about this size. */
  updateBatchTargetSize: number;

  limits: {
    maxMetadataSize: number;
    maxAttributesSize: number;
    maxParticipantNameLength: number;
    subscriptionLimitAudio: number;
    subscriptionLimitVideo: number;
  };

  dataBlobs: DataBlobLimits;
  dataTracks: DataTrackLimits;

  audio: {
    updateIntervalMs: number;
  };

  video: {
    /** Quality downgrades reach the publisher after this time. */
    dynacastPauseDelayMs: number;
    /** With this many participants a track keeps both codecs instead of falling back to one. 0 always falls back. */
    codecRegressionThreshold: number;
  };

  rtc: {
    useIceLite: boolean;
    /** Internal addresses of this node by the external ones that they were found to be translated to. */
    translatedAddresses: ReadonlyMap<string, string>;
    /** Clients are told the internal address beside the external one. */
    advertiseInternalIp: boolean;
    reconnectOnPublicationError: boolean;
    reconnectOnSubscriptionError: boolean;
    stunServers: string[];
    turnServers: ExternalTurnServer[];
    /** `tls`: relays over TLS reach this node's media. */
    fallback: FallbackSettings;
  };

  /** Signs credentials of the embedded TURN server; absent while that is off. */
  embeddedTurn?: EmbeddedTurn;
}

/** `rtc.turn_servers[]`: static credentials, or HMAC ones of `secret`. */
export interface ExternalTurnServer {
  host: string;
  port: number;
  protocol: 'udp' | 'tcp' | 'tls';
  username: string;
  credential: string;
  secret: string;
  /** Life of HMAC credentials in seconds; 0 for the default. */
  ttl: number;
}

export interface EmbeddedTurn {
  /** `turn:` URLs, one per address of the node; clients use them as STUN servers too. Empty without TURN over UDP. */
  udpUrls: string[];
  /** The `turns:` URL; undefined without TURN over TLS. */
  tlsUrl: string | undefined;
  /** `now` in milliseconds since the epoch. */
  credentials(participantSid: string, now: number): { username: string; credential: string };
}

/** Defaults of livekit-facts 9.2. */
export const DEFAULT_ROOM_CONFIG: RoomConfig = {
  autoCreate: true,
  presets: new Map(),
  enabledCodecs: [
    'audio/PCMU',
    'audio/PCMA',
    'audio/opus',
    'audio/red',
    'video/VP8',
    'video/H264',
    'video/VP9',
    'video/AV1',
    'video/H265',
    'video/rtx',
  ].map((mime) => ({ mime, fmtpLine: '' })),
  maxParticipants: 0,
  emptyTimeout: 300,
  departureTimeout: 20,
  enableRemoteUnmute: false,
  playoutDelay: { enabled: false, min: 0, max: 0 },
  syncStreams: false,
  updateBatchTargetSize: 128 * 1024,
  limits: {
    maxMetadataSize: 512 * 1024,
    maxAttributesSize: 64 * 1024,
    maxParticipantNameLength: 256,
    subscriptionLimitAudio: 0,
    subscriptionLimitVideo: 0,
  },
  dataTracks: { enabled: true, maxCustomEncodingLength: 32 },
  dataBlobs: { enabled: false, maxKeyLength: 256, maxTotalSize: 64_000, maxCustomEncodingLength: 32 },
  audio: { updateIntervalMs: 400 },
  video: { dynacastPauseDelayMs: 5000, codecRegressionThreshold: 5 },
  rtc: {
    useIceLite: false,
    translatedAddresses: new Map(),
    advertiseInternalIp: false,
    reconnectOnPublicationError: false,
    reconnectOnSubscriptionError: false,
    stunServers: [],
    turnServers: [],
    fallback: { allowed: true, tcp: true, tls: true, tcpRttThresholdMs: 0, udpUnstable: false },
  },
};
