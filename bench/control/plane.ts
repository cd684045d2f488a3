/** The control plane of one node in this process: rooms, negotiation and frames are the server's, media only says yes. */

import {
  ClientInfo,
  CreateRoomRequest,
  ParticipantInfo_Kind,
  ReconnectReason,
  ServerInfo,
  SessionDescription,
  SignalResponse,
} from '@livekit/protocol';
import { pino } from 'pino';
import { SoleOwnership } from '../../ts/cluster/sole-ownership.ts';
import type { ConnectionId, Identity, ParticipantSid, RoomName } from '../../ts/lib/ids.ts';
import type { Command, PeerId, WorkerId } from '../../ts/media/commands.ts';
import { RecordingEngine } from '../../ts/media/testing/recording-engine.ts';
import { ConnectionMetrics } from '../../ts/metrics/connections.ts';
import { SessionMetrics } from '../../ts/metrics/sessions.ts';
import { SignalMetrics } from '../../ts/metrics/signals.ts';
import { TrackMetrics } from '../../ts/metrics/tracks.ts';
import { createNegotiation } from '../../ts/negotiate/negotiation.ts';
import { systemClock } from '../../ts/room/clock.ts';
import { DEFAULT_ROOM_CONFIG } from '../../ts/room/config.ts';
import type { RoomContext } from '../../ts/room/context.ts';
import { Preferences } from '../../ts/room/preferences.ts';
import { UNNOTICED } from '../../ts/room/presence.ts';
import { Rooms } from '../../ts/room/rooms.ts';
import { RoomSessionHost } from '../../ts/room/session-host.ts';
import { MemoryStore } from '../../ts/room/testing/memory-store.ts';
import { RecordingAgents } from '../../ts/room/testing/recording-agents.ts';
import { JOIN_GRANT } from '../../ts/room/testing/scene.ts';
import { ScriptedEgress } from '../../ts/room/testing/scripted-egress.ts';
import { type Frame, SharedFrames } from '../../ts/signal/codec.ts';
import { SignalConnection } from '../../ts/signal/socket.ts';
import type { JoinParams, SignalSession } from '../../ts/signal/types.ts';
import { answerTo, DATA_OFFER, PUBLISHER_OFFER, SINGLE_OFFER } from './descriptions.ts';

export interface Viewer {
  readonly session: SignalSession;
  readonly socket: Socket;
}

/** Peers open at once, and stand as soon as they are described. */
class WillingEngine extends RecordingEngine {
  override send(worker: WorkerId, command: Command): void {
    super.send(worker, command);
    this.commands.length = 0;
    if (command.type === 'setRemote') queueMicrotask(() => this.#connect(command.peer));
  }

  #connect(peer: PeerId): void {
    const pair = 'udp 192.0.2.1:50000 host 192.0.2.2:40000 prflx';
    this.peers.get(peer)?.({ type: 'iceState', peer, state: 'connected', pair });
    this.peers.get(peer)?.({ type: 'peerConnected', peer, iceMs: 1, dtlsMs: 1 } as never);
  }
}

/** Counts what it is given, and keeps offers. */
class Socket {
  offer: SessionDescription | undefined;
  trackSid = '';
  readonly #count: (frame: Frame) => void;

  constructor(count: (frame: Frame) => void) {
    this.#count = count;
  }

  send(frame: Frame): void {
    this.#count(frame);
    if (typeof frame === 'string' || frame.length > 20_000) return;
    const tag = frame[0] ?? 0;
    // offer = 3, track_published = 6 (livekit_rtc.proto, SignalResponse)
    if (tag !== 0x1a && tag !== 0x32) return;
    const { message } = SignalResponse.fromBinary(frame);
    if (message.case === 'offer') this.offer = message.value;
    if (message.case === 'trackPublished') this.trackSid = message.value.track?.sid ?? '';
  }

  ping(): void {}
  bufferedBytes(): number {
    return 0;
  }
  close(): void {}
  terminate(): void {}
}

export class ControlPlane {
  bytes = 0;
  readonly #seen = new WeakSet<object>();
  /** Frames that were not given to another socket before. */
  encoded = 0;
  readonly #rooms: Rooms;
  readonly #host: RoomSessionHost;
  readonly #frames = new SharedFrames();

  constructor() {
    const store = new MemoryStore();
    const context: RoomContext = {
      config: DEFAULT_ROOM_CONFIG,
      clock: systemClock,
      engine: new WillingEngine(),
      preferences: new Preferences(systemClock),
      metrics: new ConnectionMetrics(),
      sessionMetrics: new SessionMetrics(),
      trackMetrics: new TrackMetrics(),
      placement: { place: () => 0 as WorkerId, release: () => {} },
      createNegotiation: (host, options) => createNegotiation(context.engine, host, options),
      store,
      agents: new RecordingAgents(),
      presence: UNNOTICED,
      ownership: new SoleOwnership(
        (room) => store.rooms.remove(room),
        () => {},
      ),
      egress: new ScriptedEgress(),
      issueToken: () => 'token',
      serverInfo: new ServerInfo({ version: '1.13.5', protocol: 17, nodeId: 'ND_bench' }),
      log: pino({ enabled: false }),
    };
    this.#rooms = new Rooms(context);
    this.#host = new RoomSessionHost(context, this.#rooms);
  }

  async join(identity: string, singlePc: boolean): Promise<Viewer> {
    const connection = new SignalConnection(this.#frames, new SignalMetrics(), { debug: () => {}, warn: () => {} });
    const params = joinParams(identity, singlePc);
    const session = await this.#host.startSession(params, connection, new AbortController().signal);
    const socket = new Socket((frame) => this.#count(frame));
    connection.open(socket, session);
    await this.settle();
    if (!singlePc) {
      if (socket.offer !== undefined) this.#answer(session, socket.offer);
      if (identity !== 'publisher') {
        session.negotiation.offer(new SessionDescription({ type: 'offer', sdp: DATA_OFFER, id: 1 }));
      }
      await this.settle();
    }
    return { session, socket };
  }

  #answer(session: SignalSession, offer: SessionDescription): void {
    const sdp = answerTo(offer.sdp);
    session.negotiation.answer(new SessionDescription({ type: 'answer', sdp, id: offer.id }));
  }

  #count(frame: Frame): void {
    this.bytes += frame.length;
    if (typeof frame === 'string' || this.#seen.has(frame)) return;
    this.#seen.add(frame);
    this.encoded += 1;
  }

  publishedSid({ socket }: Viewer): string {
    return socket.trackSid;
  }

  /** Of the section of a kind in the publisher's offer. */
  cidOf(_identity: string, kind: 'audio' | 'video'): string {
    const section = PUBLISHER_OFFER.split(/\r?\n(?=m=)/).find((part) => part.startsWith(`m=${kind}`)) ?? '';
    return /a=msid:\S+ (\S+)/.exec(section)?.[1] ?? '';
  }

  offer(_identity: string): string {
    return PUBLISHER_OFFER;
  }

  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    await this.#rooms.close();
  }
}

function joinParams(identity: string, singlePc: boolean): JoinParams {
  return {
    connectionId: 'CO_bench' as ConnectionId,
    room: 'room' as RoomName,
    identity: identity as Identity,
    claims: {
      identity,
      name: `Name of ${identity}`,
      kind: ParticipantInfo_Kind.STANDARD,
      kindDetails: [],
      video: { ...JOIN_GRANT },
      sip: undefined,
      metadata: '{"avatar":"https://example.com/a.png"}',
      attributes: { hand: 'down' },
      roomConfig: undefined,
      roomPreset: '',
      sha256: '',
    },
    tokenExpiresAt: 0,
    client: new ClientInfo({ protocol: 17, sdk: 1, version: '2.21.0', os: 'linux', browser: 'chrome' }),
    createRoom: new CreateRoomRequest({ name: 'room' }),
    singlePc,
    autoSubscribe: true,
    autoSubscribeDataTrack: undefined,
    adaptiveStream: false,
    disableIceLite: false,
    subscriberAllowPause: undefined,
    reconnect: false,
    reconnectReason: ReconnectReason.RR_UNKNOWN,
    participantSid: '' as ParticipantSid,
    publisherOffer: singlePc ? new SessionDescription({ type: 'offer', sdp: SINGLE_OFFER, id: 1 }) : undefined,
    addTrackRequests: [],
  };
}
