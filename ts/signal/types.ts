/**
 * The contract between the socket side (`signal/`) and the room side (`room/`).
 *
 * The socket side parses a connection into `JoinParams`, starts a session with a sink, and upgrades the socket with the
 * first message the session sends; a rejection becomes the HTTP answer instead. From then on each request of the client
 * goes to one method of the session's receivers, and what the session sends goes to the socket in order.
 */

import type {
  AddTrackRequest,
  ClientInfo,
  CreateRoomRequest,
  GetDataBlobRequest,
  LeaveRequest,
  MuteTrackRequest,
  Ping,
  PublishDataTrackRequest,
  ReconnectReason,
  SessionDescription,
  SignalResponse,
  SimulateScenario,
  StoreDataBlobRequest,
  SubscriptionPermission,
  SyncState,
  TrickleRequest,
  UnpublishDataTrackRequest,
  UpdateDataSubscription,
  UpdateLocalAudioTrack,
  UpdateLocalVideoTrack,
  UpdateParticipantMetadata,
  UpdateSubscription,
  UpdateTrackSettings,
} from '@livekit/protocol';
import type { Claims, VideoGrant } from '../auth/grants.ts';
import type { ConnectionId, Identity, ParticipantSid, RoomName } from '../lib/ids.ts';

/** A validated request to join or resume. */
export interface JoinParams {
  connectionId: ConnectionId;
  room: RoomName;
  /** With the `#suffix` of a publish-only connection. */
  identity: Identity;
  /** Join-time metadata and attributes are merged in, `publish` restrictions applied; `video` is always there. */
  claims: Claims & { video: VideoGrant };
  /** Unix seconds. */
  tokenExpiresAt: number;
  /** Complete: address and what the User-Agent tells are filled in; `protocol` is `client.protocol`. */
  client: ClientInfo;
  /** The room as the token's `roomConfig` and `roomPreset` want it; the preset is not resolved yet. */
  createRoom: CreateRoomRequest;
  /** Single peer connection mode: a `join_request` was given. */
  singlePc: boolean;
  autoSubscribe: boolean;
  /** Undefined where the client did not say (counts as false). */
  autoSubscribeDataTrack: boolean | undefined;
  adaptiveStream: boolean;
  disableIceLite: boolean;
  /** Undefined leaves it to the configuration. */
  subscriberAllowPause: boolean | undefined;
  reconnect: boolean;
  reconnectReason: ReconnectReason;
  /** Only with `reconnect`; may be empty. */
  participantSid: ParticipantSid;
  /** To be handled right after the join response, in this order. */
  publisherOffer: SessionDescription | undefined;
  addTrackRequests: AddTrackRequest[];
}

/** Where a session's messages to its client go; one per socket, so a resumed participant gets another. */
export interface SignalSink {
  /** Queues a message, in order; never blocks and never throws, also after `close`. */
  send(message: SignalResponse): void;
  /**
   * The same for a message that goes to several sinks: encoded once for all of them. The message must not be changed
   * after the first call.
   */
  sendShared(message: SignalResponse): void;
  /** Ends the socket (close code 1000) after what is queued went out, or 250 ms. Idempotent. */
  close(): void;
}

/** Implemented by the room side. */
export interface SessionHost {
  /**
   * Starts or resumes a session. The promise settles when it is known whether the client may join; the first message
   * may be sent before that or later. Rejects with `RpcError` where the client is to get an HTTP error. A failed resume
   * is not a rejection: it sends `leave` and closes the sink.
   *
   * `abandoned` fires when the client went away or the attempt timed out before the first message.
   */
  startSession(params: JoinParams, sink: SignalSink, abandoned: AbortSignal): Promise<SignalSession>;
}

/** One socket's half of a participant. No method throws; every method is safe after the participant closed. */
export interface SignalSession {
  readonly negotiation: NegotiationRequests;
  readonly publishing: PublishingRequests;
  readonly subscribing: SubscribingRequests;
  readonly data: DataRequests;
  readonly participant: ParticipantRequests;
  /**
   * The socket ended, called once and last: by the client (close codes 1000, 1001, 1005, 1006 or a reset) or because of
   * what it sent. Not called for a socket that the session itself closed.
   */
  closed(byClient: boolean): void;
}

export interface NegotiationRequests {
  offer(offer: SessionDescription): void;
  answer(answer: SessionDescription): void;
  trickle(trickle: TrickleRequest): void;
}

export interface PublishingRequests {
  addTrack(request: AddTrackRequest): void;
  mute(request: MuteTrackRequest): void;
  updateAudioTrack(request: UpdateLocalAudioTrack): void;
  updateVideoTrack(request: UpdateLocalVideoTrack): void;
  subscriptionPermission(request: SubscriptionPermission): void;
}

export interface SubscribingRequests {
  subscription(request: UpdateSubscription): void;
  trackSetting(request: UpdateTrackSettings): void;
}

export interface DataRequests {
  publishDataTrack(request: PublishDataTrackRequest): void;
  unpublishDataTrack(request: UnpublishDataTrackRequest): void;
  updateDataSubscription(request: UpdateDataSubscription): void;
  storeDataBlob(request: StoreDataBlobRequest): void;
  getDataBlob(request: GetDataBlobRequest): void;
}

export interface ParticipantRequests {
  leave(request: LeaveRequest): void;
  syncState(state: SyncState): void;
  simulate(scenario: SimulateScenario): void;
  updateMetadata(request: UpdateParticipantMetadata): void;
  /** The socket side has answered already; this is for liveness and the round-trip time. */
  ping(ping: Ping | undefined): void;
}
