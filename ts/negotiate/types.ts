/**
 * The contract between a participant and its negotiation: who sends what, on which section, in which codec.
 * Implementations: `dual-pc.ts` (livekit-facts 3.2) and `single-pc.ts` (3.3).
 */

import type { SignalTarget } from '@livekit/protocol';
import type { Codec, DownTrackWish, MediaKind, PeerId, UpTrackId, WorkerId } from '../media/commands.ts';
import type { DownTrackQuality, IceState, PeerCloseReason } from '../media/events.ts';

/** A section of the client's offer that it sends on, as far as matching it to an `add_track` goes. */
export interface OfferedSection {
  mid: string;
  kind: MediaKind;
  /** Track id of `a=msid` (second token, or the only one); the `cid` of most clients. */
  trackCid: string;
  /** rids in the offer's order; empty without simulcast. */
  rids: string[];
}

/** What the participant knows of the track that a section carries. */
export interface PublicationMatch {
  trackSid: string;
  /** Put first in the answer; undefined lets the client's order stand. */
  preferredCodec: Codec | undefined;
  /** Opus stereo (TF_STEREO). */
  stereo: boolean;
  /** Opus DTX allowed (no TF_NO_DTX). */
  dtx: boolean;
  /** RED allowed for the track. */
  red: boolean;
  screenShare: boolean;
  encrypted: boolean;
  muted: boolean;
}

/** A payload type of a published section as subscribers must map it. */
export interface PublishedPayload {
  pt: number;
  codec: Codec;
  clockRate: number;
  channels: number;
  /** Format parameters without `;usedtx`/`stereo` additions, for matching H264 profiles and the like. */
  fmtp: string;
}

/** A published section: one track in one codec. */
export interface UpTrackRef {
  track: UpTrackId;
  worker: WorkerId;
  trackSid: string;
  mid: string;
  kind: MediaKind;
  /** The codec that the answer put first (never `red`: the codec inside). */
  codec: Codec;
  payloads: PublishedPayload[];
  /** rids in spatial order, lowest first. */
  rids: string[];
  /** Encrypted end to end. */
  encrypted: boolean;
}

/** What a subscriber's section is to carry. */
export interface SubscriptionRequest {
  trackSid: string;
  /** `<PA_publisher>|<TR_sid>` or, with sync_streams, `<PA_publisher>|<stream>`. */
  streamId: string;
  kind: MediaKind;
  /** One per codec in which the track is published, preferred first; the first that the client can decode is taken. */
  sources: UpTrackRef[];
  /** The publisher's opus stereo flag, mirrored in fmtp. */
  stereo: boolean;
  wish: DownTrackWish;
}

/** A live subscription. */
export interface Subscription {
  readonly trackSid: string;
  /** Remembers and applies what the subscriber wants. */
  setWish(wish: DownTrackWish): void;
  /** Replaces the sources (codec added or regressed, publisher renegotiated). */
  setSources(sources: UpTrackRef[]): void;
  /** Stops sending and frees the section. */
  close(): void;
}

/** A transport ended by itself before it was of any use. */
export class TransportError extends Error {
  override name = 'TransportError';
  readonly reason: PeerCloseReason;

  constructor(reason: PeerCloseReason, detail: string) {
    super(`${reason}: ${detail}`);
    this.reason = reason;
  }
}

export type TransportName = 'publisher' | 'subscriber';

/**
 * Which candidates are in play: all; TCP ones only; or, for a client that relays over TLS, its relays and what they can
 * reach, which is our UDP candidates.
 */
export type CandidatePreference = 'any' | 'tcp' | 'tls';

/** Milliseconds: ICE from the client's description to the first pair that DTLS could go along, and the DTLS handshake. */
export interface ConnectTimes {
  iceMs: number;
  dtlsMs: number;
}

/** What negotiation asks of and tells the participant. */
export interface NegotiationHost {
  /** Sends to the client, in order with all other signals. */
  sendOffer(sdp: string, id: number, midToTrackId: Record<string, string>): void;
  sendAnswer(sdp: string, id: number, midToTrackId: Record<string, string>): void;
  sendTrickle(candidateInit: string, target: SignalTarget, final: boolean): void;
  sendMediaSectionsRequirement(numAudios: number, numVideos: number): void;

  /** Which track a section carries; undefined while no `add_track` matches (the section stays inactive). */
  matchPublication(section: OfferedSection): PublicationMatch | undefined;
  /** Whether tracks were announced that no offered section carries yet. */
  awaitsPublication(): boolean;
  /** A section is answered: packets may come (sent again when its payloads change). */
  onPublished(source: UpTrackRef): void;
  /** The client stopped sending on a section. */
  onUnpublished(source: UpTrackRef): void;

  /** A subscription has its section and codec, after the client's answer; `codec` names the source taken. */
  onSubscribed(trackSid: string, codec: Codec): void;
  /** First packet of a subscription went out. */
  onSubscriptionStarted(trackSid: string): void;
  /** The client can decode none of the sources. */
  onSubscriptionUnsupported(trackSid: string): void;
  onSubscriptionQuality(trackSid: string, quality: DownTrackQuality): void;

  onIceState(transport: TransportName, state: IceState, pair: string | null): void;
  /** ICE and DTLS of a transport stand. `primary` decides when the participant turns ACTIVE. */
  onConnected(transport: TransportName, primary: boolean, times: ConnectTimes): void;
  onTransportClosed(transport: TransportName, reason: PeerCloseReason, detail: string): void;
  /** Nothing but a full reconnect helps (15 s without an answer, unusable SDP). */
  onNegotiationFailed(reason: string): void;
}

/** One participant's transports. Every method is safe after `close`. */
export interface Negotiation {
  readonly worker: WorkerId;
  /** Transports the client's data channels are on. */
  readonly upPeers: PeerId[];
  /** The transport data to the client leaves by. */
  readonly downPeer: PeerId | null;
  /** True where the subscriber transport is primary (JoinResponse.subscriber_primary). */
  readonly subscriberPrimary: boolean;
  /** Resolves when the sockets are open; rejects with `PortsExhausted`-like text when they can't be had. */
  readonly ready: Promise<void>;
  /** Dual mode with subscriber primary: sends the first offer. Called once after the join response went out. */
  start(): void;
  /** Both reject with `SdpError` or `NegotiationError` where the description can't be used. */
  handleOffer(sdp: string, id: number): Promise<void>;
  handleAnswer(sdp: string, id: number): Promise<void>;
  /** `candidateInit` is JSON of RTCIceCandidateInit; throws `SyntaxError` where it is not. */
  handleTrickle(candidateInit: string, target: SignalTarget): void;
  /** Must not be called twice for one track without `close` of the former. */
  subscribe(request: SubscriptionRequest): Subscription;
  /** Matches sections again that had no `add_track` yet (called after one came in). */
  rematch(): void;
  /**
   * Dual mode offers the subscriber transport anew with an ICE restart. False where only the client can begin one, by
   * its next offer.
   */
  restartIce(): boolean;
  close(): void;
}

export interface NegotiationOptions {
  /** Single peer connection (join_request present). */
  singlePc: boolean;
  /** A channel for data tracks goes with the others. */
  dataTracks: boolean;
  /** Dual mode: the subscriber transport carries data and decides ACTIVE. */
  subscriberPrimary: boolean;
  protocol: number;
  worker: WorkerId;
  /** Codecs clients may send, as in JoinResponse.enabled_publish_codecs, with optional fmtp. */
  publishCodecs: readonly EnabledCodec[];
  /** Codecs clients may receive. */
  subscribeCodecs: readonly EnabledCodec[];
  iceLite: boolean;
  /** Asked for each candidate: it changes between ICE restarts. */
  candidatePreference: () => CandidatePreference;
  addresses: AddressRules;
  /** Resolves the `.local` names of a client's candidates; without it these are ignored. */
  mdns?: NameResolver;
  playoutDelay: boolean;
  /** Firefox on Linux and Android: answers list only the preferred video codec. */
  onlyPreferredVideoCodec: boolean;
}

/** What a client is told of our addresses. */
export interface AddressRules {
  /** Internal addresses by the external ones that they are translated to, where that was discovered. */
  translated: ReadonlyMap<string, string>;
  /** Offer the internal address beside the external one. */
  internalToo: boolean;
  /** Leave out IPv4 addresses that are not translated. */
  externalOnly: boolean;
}

export interface NameResolver {
  /** Never rejects; undefined where the name stays unknown. */
  resolve(name: string): Promise<string | undefined>;
}

/** An entry of `room.enabled_codecs` after client rules. */
export interface EnabledCodec {
  /** `video/VP8`, any case. */
  mime: string;
  fmtpLine: string;
}
