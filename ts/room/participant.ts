import {
  type ClientInfo,
  type DataTrackInfo,
  DisconnectReason,
  type ParticipantInfo,
  ParticipantInfo_State,
  type ParticipantPermission,
  type TrackInfo,
} from '@livekit/protocol';
import { type Claims, permissionOf, type VideoGrant, withPermission } from '../auth/grants.ts';
import type { Identity, ParticipantSid } from '../lib/ids.ts';
import { type CloseReason, disconnectReason } from './close-reason.ts';
import { mergeAttributes, type ProfileUpdate } from './metadata.ts';
import { type ProtocolGates, protocolGates } from './protocol-gates.ts';
import { SealedInfo } from './sealed.ts';

export type SessionClaims = Claims & { video: VideoGrant };

/** Moves forward only: joining → joined → active → disconnected, and from anywhere to disconnected. */
export type ParticipantState =
  | { name: 'joining' }
  | { name: 'joined' }
  | { name: 'active'; since: number }
  | { name: 'disconnected'; reason: CloseReason };

export interface ParticipantObserver {
  /** The next `info()` differs from the last. */
  infoChanged(): void;
  stateChanged(from: ParticipantState['name']): void;
  /** What it may do changed; others have not heard of it yet. */
  permissionChanged(): void;
  /** Name, metadata, attributes or permission: everybody is to know at once. */
  profileChanged(): void;
  /** What the next token must say changed. */
  claimsChanged(): void;
}

export interface ParticipantSeed {
  sid: ParticipantSid;
  identity: Identity;
  claims: SessionClaims;
  client: ClientInfo;
  region: string;
  /** Milliseconds since the epoch. */
  joinedAt: number;
}

/** One session of one identity: who it is, what it may do and how far it has come. */
export class Participant {
  readonly sid: ParticipantSid;
  readonly identity: Identity;
  readonly client: ClientInfo;
  readonly gates: ProtocolGates;
  readonly joinedAt: number;
  readonly #region: string;
  readonly #tracks: () => TrackInfo[];
  readonly #dataTracks: () => DataTrackInfo[];
  readonly #observer: ParticipantObserver;
  #claims: SessionClaims;
  #state: ParticipantState = { name: 'joining' };
  #isPublisher = false;
  #version = 0;
  #info: ParticipantInfo | undefined;

  constructor(
    seed: ParticipantSeed,
    tracks: () => TrackInfo[],
    dataTracks: () => DataTrackInfo[],
    observer: ParticipantObserver,
  ) {
    this.sid = seed.sid;
    this.identity = seed.identity;
    this.client = seed.client;
    this.gates = protocolGates(seed.client.protocol);
    this.joinedAt = seed.joinedAt;
    this.#region = seed.region;
    this.#claims = seed.claims;
    this.#tracks = tracks;
    this.#dataTracks = dataTracks;
    this.#observer = observer;
  }

  get state(): ParticipantState {
    return this.#state;
  }

  get claims(): SessionClaims {
    return this.#claims;
  }

  get grant(): VideoGrant {
    return this.#claims.video;
  }

  get hidden(): boolean {
    return this.grant.hidden;
  }

  get isPublisher(): boolean {
    return this.#isPublisher;
  }

  /** The join response is out: other signals may follow. */
  get ready(): boolean {
    return this.#state.name === 'joined' || this.#state.name === 'active';
  }

  get active(): boolean {
    return this.#state.name === 'active';
  }

  get disconnected(): boolean {
    return this.#state.name === 'disconnected';
  }

  get closeReason(): CloseReason | undefined {
    return this.#state.name === 'disconnected' ? this.#state.reason : undefined;
  }

  /** Out-of-order moves are ignored; returns whether it moved. */
  moveTo(state: ParticipantState): boolean {
    if (ORDER[state.name] <= ORDER[this.#state.name]) return false;
    const from = this.#state.name;
    this.#state = state;
    this.invalidate();
    this.#observer.stateChanged(from);
    return true;
  }

  /** Applies what is not empty; sizes were checked before. */
  updateProfile(update: ProfileUpdate): void {
    const claims = { ...this.#claims };
    if (update.name !== '') claims.name = update.name;
    if (update.metadata !== '') claims.metadata = update.metadata;
    const attributes = Object.keys(update.attributes).length > 0;
    if (attributes) claims.attributes = mergeAttributes(claims.attributes, update.attributes);
    if (!attributes && claims.name === this.#claims.name && claims.metadata === this.#claims.metadata) return;
    this.#claims = claims;
    this.#announceClaims();
  }

  /** Replaces the whole set; returns whether anything changed. `publishing`: its publisher transport stands. */
  setPermission(permission: ParticipantPermission, publishing: boolean): boolean {
    if (permissionOf(this.grant).equals(permission)) return false;
    this.#isPublisher = permission.canPublish && publishing;
    this.#claims = { ...this.#claims, video: withPermission(this.grant, permission) };
    this.#observer.permissionChanged();
    this.#announceClaims();
    return true;
  }

  /** It published a track; others hear of it with the track. */
  markPublisher(): void {
    if (this.#isPublisher) return;
    this.#isPublisher = true;
    this.invalidate();
  }

  #announceClaims(): void {
    this.invalidate();
    this.#observer.profileChanged();
    this.#observer.claimsChanged();
  }

  /** What `info` shows changed: the next one has a higher version. */
  invalidate(): void {
    this.#info = undefined;
    this.#observer.infoChanged();
  }

  /** As others see it; the same object until something changes, never to be modified. */
  info(): ParticipantInfo {
    this.#info ??= this.#buildInfo(++this.#version);
    return this.#info;
  }

  #buildInfo(version: number): ParticipantInfo {
    const claims = this.#claims;
    const reason = this.closeReason;
    return new SealedInfo({
      sid: this.sid,
      identity: this.identity,
      name: claims.name,
      state: WIRE_STATES[this.#state.name],
      joinedAt: BigInt(Math.floor(this.joinedAt / 1000)),
      joinedAtMs: BigInt(this.joinedAt),
      version,
      permission: permissionOf(claims.video),
      metadata: claims.metadata,
      attributes: claims.attributes,
      region: this.#region,
      isPublisher: this.#isPublisher,
      kind: claims.kind,
      kindDetails: claims.kindDetails,
      disconnectReason: reason === undefined ? DisconnectReason.UNKNOWN_REASON : disconnectReason(reason),
      tracks: this.#tracks(),
      dataTracks: this.#dataTracks(),
      clientProtocol: this.client.clientProtocol,
      capabilities: this.client.capabilities,
    });
  }
}

const ORDER: Record<ParticipantState['name'], number> = { joining: 0, joined: 1, active: 2, disconnected: 3 };

const WIRE_STATES: Record<ParticipantState['name'], ParticipantInfo_State> = {
  joining: ParticipantInfo_State.JOINING,
  joined: ParticipantInfo_State.JOINED,
  active: ParticipantInfo_State.ACTIVE,
  disconnected: ParticipantInfo_State.DISCONNECTED,
};
