import {
  AddTrackRequest,
  ClientInfo,
  CreateRoomRequest,
  ParticipantInfo_Kind,
  ReconnectReason,
  ServerInfo,
  SimulcastCodec,
  TrackSource,
  TrackType,
  VideoLayer,
  VideoQuality,
} from '@livekit/protocol';
import { pino } from 'pino';
import type { Claims, VideoGrant } from '../../auth/grants.ts';
import { SoleOwnership } from '../../cluster/sole-ownership.ts';
import type { ConnectionId, Identity, ParticipantSid, RoomName } from '../../lib/ids.ts';
import type { WorkerId } from '../../media/commands.ts';
import { ConnectionMetrics } from '../../metrics/connections.ts';
import { SessionMetrics } from '../../metrics/sessions.ts';
import { TrackMetrics } from '../../metrics/tracks.ts';
import type { createNegotiation } from '../../negotiate/negotiation.ts';
import { DEFAULT_ROOM_CONFIG, type RoomConfig } from '../config.ts';
import type { RoomContext } from '../context.ts';
import type { JoinParams, SignalSession } from '../contracts.ts';
import { Preferences } from '../preferences.ts';
import { type Presence, UNNOTICED } from '../presence.ts';
import { RoomControls } from '../room-control.ts';
import { Rooms } from '../rooms.ts';
import { RoomSessionHost } from '../session-host.ts';
import { MemoryStore } from './memory-store.ts';
import { RecordingAgents } from './recording-agents.ts';
import { RecordingEngine } from './recording-engine.ts';
import { RecordingSink } from './recording-sink.ts';
import { ScriptedEgress } from './scripted-egress.ts';
import { ScriptedNegotiation } from './scripted-negotiation.ts';
import { settle, VirtualClock } from './virtual-clock.ts';

/** One client as a test drives it. */
export interface Client {
  session: SignalSession;
  sink: RecordingSink;
  negotiation: ScriptedNegotiation;
  sid: string;
}

export type JoinOptions = Partial<Omit<JoinParams, 'claims' | 'client' | 'identity'>> & {
  grant?: Partial<VideoGrant>;
  kind?: ParticipantInfo_Kind;
  client?: Partial<ClientInfo>;
};

/** A node with rooms, on a virtual clock and a recorded media plane. */
export class Scene {
  readonly clock = new VirtualClock();
  readonly engine = new RecordingEngine();
  readonly store = new MemoryStore();
  readonly agents = new RecordingAgents();
  readonly tokens: Claims[] = [];
  readonly metrics = new ConnectionMetrics();
  readonly sessionMetrics = new SessionMetrics();
  readonly trackMetrics = new TrackMetrics();
  readonly egress = new ScriptedEgress();
  readonly rooms: Rooms;
  readonly host: RoomSessionHost;
  readonly control: RoomControls;
  readonly #negotiations: ScriptedNegotiation[] = [];

  /** `negotiate`: in place of the scripted negotiation. */
  constructor(config: Partial<RoomConfig> = {}, negotiate?: typeof createNegotiation, presence: Presence = UNNOTICED) {
    const context: RoomContext = {
      config: { ...DEFAULT_ROOM_CONFIG, ...config },
      clock: this.clock,
      engine: this.engine,
      preferences: new Preferences(this.clock),
      metrics: this.metrics,
      sessionMetrics: this.sessionMetrics,
      trackMetrics: this.trackMetrics,
      placement: { place: () => 0 as WorkerId, release: () => {} },
      createNegotiation: (host, options) => {
        if (negotiate !== undefined) return negotiate(this.engine, host, options);
        const negotiation = new ScriptedNegotiation(this.engine, host, options);
        this.#negotiations.push(negotiation);
        return negotiation;
      },
      store: this.store,
      agents: this.agents,
      presence,
      ownership: new SoleOwnership(
        (room) => this.store.rooms.remove(room),
        () => {},
      ),
      egress: this.egress,
      issueToken: (claims) => {
        this.tokens.push(claims);
        return `token ${this.tokens.length}`;
      },
      serverInfo: new ServerInfo({ version: '1.13.5', protocol: 17, nodeId: 'ND_test' }),
      log: pino({ enabled: false }),
    };
    this.rooms = new Rooms(context);
    this.host = new RoomSessionHost(context, this.rooms);
    this.control = new RoomControls(context.config, this.rooms);
  }

  /** Joins; its transports don't stand yet. */
  async join(identity: string, options: JoinOptions = {}): Promise<Client> {
    const { session, sink } = await this.enter(identity, options);
    const negotiation = this.#negotiations.at(-1);
    if (negotiation === undefined) throw new Error('nothing was negotiated');
    return { session, sink, negotiation, sid: sink.last('join').participant?.sid ?? '' };
  }

  /** Joins without a script for the negotiation. */
  async enter(identity: string, options: JoinOptions = {}): Promise<Pick<Client, 'session' | 'sink'>> {
    const sink = new RecordingSink();
    const session = await this.host.startSession(joinParams(identity, options), sink, new AbortController().signal);
    await settle();
    return { session, sink };
  }

  async active(identity: string, options: JoinOptions = {}): Promise<Client> {
    const client = await this.join(identity, options);
    client.negotiation.connect();
    await settle();
    return client;
  }

  /** The transports of everybody who joined, by whichever way, stand. */
  connectAll(): void {
    for (const negotiation of this.#negotiations) negotiation.connect();
  }

  /** Comes back with a new socket. */
  async resume(identity: string, client: Client, options: JoinOptions = {}): Promise<Client> {
    const sink = new RecordingSink();
    const params = joinParams(identity, {
      ...options,
      reconnect: true,
      participantSid: client.sid as ParticipantSid,
    });
    const session = await this.host.startSession(params, sink, new AbortController().signal);
    await settle();
    return { ...client, session, sink };
  }

  /** Announces and offers a microphone; returns its sid. */
  async publishMicrophone(client: Client, cid = 'mic'): Promise<string> {
    client.session.publishing.addTrack(
      new AddTrackRequest({ cid, name: 'mic', type: TrackType.AUDIO, source: TrackSource.MICROPHONE }),
    );
    return this.#offer(client, cid, 'audio', 'opus');
  }

  /** Announces and offers a camera in three layers; returns its sid. */
  async publishCamera(client: Client, cid = 'cam', request: Partial<AddTrackRequest> = {}): Promise<string> {
    client.session.publishing.addTrack(cameraRequest(cid, request));
    return this.#offer(client, cid, 'video', 'vp8', ['q', 'h', 'f']);
  }

  async #offer(
    client: Client,
    cid: string,
    kind: 'audio' | 'video',
    codec: 'opus' | 'vp8',
    rids: string[] = [],
  ): Promise<string> {
    const { source } = client.negotiation.publish({ cid, kind, mid: `mid ${cid}`, rids }, codec);
    await settle();
    if (source === undefined) throw new Error('no track matched the section');
    return source.trackSid;
  }

  async close(): Promise<void> {
    await this.rooms.close();
  }
}

export function cameraRequest(cid: string, request: Partial<AddTrackRequest> = {}): AddTrackRequest {
  const layers = [
    new VideoLayer({ quality: VideoQuality.LOW, width: 320, height: 180 }),
    new VideoLayer({ quality: VideoQuality.MEDIUM, width: 640, height: 360 }),
    new VideoLayer({ quality: VideoQuality.HIGH, width: 1280, height: 720 }),
  ];
  return new AddTrackRequest({
    cid,
    name: 'cam',
    type: TrackType.VIDEO,
    source: TrackSource.CAMERA,
    width: 1280,
    height: 720,
    layers,
    simulcastCodecs: [new SimulcastCodec({ codec: 'vp8', cid })],
    ...request,
  });
}

export const JOIN_GRANT: VideoGrant = {
  roomCreate: false,
  roomList: false,
  roomRecord: false,
  roomAdmin: false,
  roomJoin: true,
  room: 'room',
  destinationRoom: '',
  canPublish: undefined,
  canSubscribe: undefined,
  canPublishData: undefined,
  canPublishSources: [],
  canUpdateOwnMetadata: undefined,
  canSubscribeMetrics: undefined,
  canManageAgentSession: undefined,
  ingressAdmin: false,
  hidden: false,
  recorder: false,
  agent: false,
};

export function joinParams(identity: string, options: JoinOptions = {}): JoinParams {
  const { grant, kind, client, ...params } = options;
  return {
    connectionId: 'CO_test' as ConnectionId,
    room: 'room' as RoomName,
    identity: identity as Identity,
    claims: {
      identity,
      name: '',
      kind: kind ?? ParticipantInfo_Kind.STANDARD,
      kindDetails: [],
      video: { ...JOIN_GRANT, ...grant },
      sip: undefined,
      metadata: '',
      attributes: {},
      roomConfig: undefined,
      roomPreset: '',
      sha256: '',
    },
    tokenExpiresAt: 0,
    client: new ClientInfo({ protocol: 17, ...client }),
    createRoom: new CreateRoomRequest({ name: params.room ?? 'room' }),
    singlePc: false,
    autoSubscribe: true,
    autoSubscribeDataTrack: undefined,
    adaptiveStream: false,
    disableIceLite: false,
    subscriberAllowPause: undefined,
    reconnect: false,
    reconnectReason: ReconnectReason.RR_UNKNOWN,
    participantSid: '' as ParticipantSid,
    publisherOffer: undefined,
    addTrackRequests: [],
    ...params,
  };
}
