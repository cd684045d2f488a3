/**
 * What the control plane asks of one worker: the mirror of `crates/sfu/src/command.rs`, where each field is explained.
 */

declare const brand: unique symbol;
type Id<Name extends string> = number & { readonly [brand]: Name };

export type WorkerId = Id<'worker'>;
export type PeerId = Id<'peer'>;
export type MediaParticipantId = Id<'participant'>;
export type MediaRoomId = Id<'room'>;
export type UpTrackId = Id<'upTrack'>;
export type DownTrackId = Id<'downTrack'>;

export interface IceCredentials {
  ufrag: string;
  pwd: string;
}

export type DtlsRole = 'passive' | 'active';

export interface Fingerprint {
  /** `sha-1` to `sha-512`, lower case. */
  algorithm: string;
  value: string;
}

export interface Candidate {
  foundation: string;
  protocol: string;
  priority: number;
  /** A literal address, never a host name. */
  ip: string;
  port: number;
  kind: string;
  tcpType?: string;
}

export interface ExtensionIds {
  mid?: number;
  rid?: number;
  repairedRid?: number;
  audioLevel?: number;
  absSendTime?: number;
  absCaptureTime?: number;
  transportCc?: number;
  playoutDelay?: number;
  dependencyDescriptor?: number;
}

export type MediaKind = 'audio' | 'video';
export type Codec = 'opus' | 'red' | 'pcmu' | 'pcma' | 'vp8' | 'vp9' | 'h264' | 'h265' | 'av1';

export interface UpCodec {
  pt: number;
  codec: Codec;
  clockRate: number;
  rtxPt: number | null;
  nack: boolean;
}

export interface UpSsrc {
  ssrc: number;
  rtx: number | null;
}

export interface UpTrackConfig {
  track: UpTrackId;
  peer: PeerId;
  kind: MediaKind;
  mid: string;
  codecs: UpCodec[];
  ssrcs: UpSsrc[];
  rids: string[];
  screenShare: boolean;
  encrypted: boolean;
  muted: boolean;
}

export interface PayloadMap {
  from: number;
  to: number;
  rtx: number | null;
}

/** What a subscriber wants of a track. */
export interface DownTrackWish {
  enabled: boolean;
  /** 0 to 2. */
  maxSpatial: number;
  /** 0 to 3. */
  maxTemporal: number;
  /** 0 for no limit. */
  maxFps: number;
}

export interface DownTrackConfig extends DownTrackWish {
  down: DownTrackId;
  peer: PeerId;
  track: UpTrackId;
  home: WorkerId;
  kind: MediaKind;
  mid: string;
  cname: string;
  ssrc: number;
  rtxSsrc: number | null;
  payloads: PayloadMap[];
  nack: boolean;
  encrypted?: boolean;
  playoutDelay?: { minMs: number; maxMs: number };
}

/** Where the packets of a data track go, as one worker needs to know. */
export interface DataTrackConfig {
  publisher: MediaParticipantId;
  /** The publisher's, in the packets that come from there. */
  handle: number;
  /** Others with receivers; only of interest at the publisher's. */
  workers: WorkerId[];
  receivers: DataTrackReceiver[];
}

export interface DataTrackReceiver {
  participant: MediaParticipantId;
  /** Its own handle of the track. */
  handle: number;
}

export interface ParticipantConfig {
  participant: MediaParticipantId;
  room: MediaRoomId;
  sid: string;
  identity: string;
  upPeers: PeerId[];
  downPeer: PeerId | null;
  canPublishData: boolean;
  hidden: boolean;
  agent: boolean;
}

export type Query =
  | { type: 'workerStats' }
  | { type: 'peerStats'; peer: PeerId }
  | { type: 'dataSequence'; participant: MediaParticipantId };

export type Command =
  | { type: 'openPeer'; peer: PeerId; ice: IceCredentials; iceLite: boolean; controlling: boolean }
  | {
      type: 'setRemote';
      peer: PeerId;
      ice: IceCredentials;
      iceLite: boolean;
      dtlsRole: DtlsRole;
      fingerprints: Fingerprint[];
    }
  | { type: 'addRemoteCandidate'; peer: PeerId; candidate: Candidate }
  | { type: 'restartIce'; peer: PeerId; ice: IceCredentials }
  | { type: 'setExtensions'; peer: PeerId; audio: ExtensionIds; video: ExtensionIds }
  | { type: 'closePeer'; peer: PeerId }
  | ({ type: 'openUpTrack' } & UpTrackConfig)
  | { type: 'muteUpTrack'; track: UpTrackId; muted: boolean }
  | { type: 'closeUpTrack'; track: UpTrackId }
  | ({ type: 'openDownTrack' } & DownTrackConfig)
  | ({ type: 'setDownTrack'; down: DownTrackId } & DownTrackWish)
  | { type: 'closeDownTrack'; down: DownTrackId }
  | { type: 'openDataChannel'; peer: PeerId; label: string; ordered: boolean; maxRetransmits: number | null }
  | ({ type: 'setParticipant' } & ParticipantConfig)
  | { type: 'closeParticipant'; participant: MediaParticipantId }
  | { type: 'setRoomWorkers'; room: MediaRoomId; workers: WorkerId[] }
  | { type: 'setDataSinks'; room: MediaRoomId; identities: string[] }
  | ({ type: 'setDataTrack' } & DataTrackConfig)
  | { type: 'closeDataTrack'; publisher: MediaParticipantId; handle: number }
  | {
      type: 'sendData';
      room: MediaRoomId;
      packet: string;
      reliable: boolean;
      destinations: string[];
      except: MediaParticipantId | null;
    }
  | { type: 'query'; id: number; query: Query };
