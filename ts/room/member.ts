/**
 * A participant with everything that hangs on it: what it publishes, what it receives, its transports and its socket.
 * It wires the parts together and ends them; what each does is in its own file.
 */

import {
  ClientConfigSetting,
  ClientConfiguration,
  type Codec as EnabledCodec,
  type ParticipantPermission,
} from '@livekit/protocol';
import { maySubscribe } from '../auth/grants.ts';
import { newParticipantSid } from '../lib/guid.ts';
import type { MediaParticipantId, WorkerId } from '../media/commands.ts';
import type { CandidatePreference, Negotiation, NegotiationOptions } from '../negotiate/types.ts';
import type { Announcements } from './announcements.ts';
import { Background } from './background.ts';
import {
  addressRules,
  clientConfiguration,
  connectsByTcp,
  ignoresCodecOrder,
  isFirefox,
  isObs,
} from './client-rules.ts';
import { type CloseReason, type LeaveAction, leaveRequest } from './close-reason.ts';
import { type ClientCodecs, clientCodecs } from './codecs.ts';
import { Connection } from './connection.ts';
import type { RoomContext } from './context.ts';
import type { JoinParams, SignalSink } from './contracts.ts';
import { DataBlobs } from './data-blobs.ts';
import { DataSubscriptions } from './data-subscriptions.ts';
import { DataTracks } from './data-tracks.ts';
import { fallbackSettings } from './ice-servers.ts';
import { negotiationHost } from './negotiation-host.ts';
import { Outbox } from './outbox.ts';
import { Participant, type ParticipantState } from './participant.ts';
import { ParticipantFeed } from './participant-feed.ts';
import type { Publication, Score } from './publication.ts';
import { Publications } from './publications.ts';
import { RequestResponses } from './request-responses.ts';
import { SessionFigures } from './session-figures.ts';
import { SubscriptionPermissions } from './subscription-permissions.ts';
import { Subscriptions } from './subscriptions.ts';
import { TokenRefresh } from './token-refresh.ts';
import { Transports } from './transports.ts';

/** What a member asks of and tells its room. */
export interface MemberObserver {
  infoChanged(member: Member): void;
  stateChanged(member: Member, from: ParticipantState['name']): void;
  permissionChanged(member: Member): void;
  profileChanged(member: Member): void;
  published(member: Member, publication: Publication): void;
  publicationChanged(member: Member): void;
  unpublished(member: Member, publication: Publication): void;
  audible(member: Member, trackSid: string, level: number, active: boolean): void;
  resolve(trackSid: string): Publication | undefined;
  permits(publication: Publication, subscriber: Participant): boolean;
  subscribedTo(member: Member, publisherSid: string): void;
  unsubscribedFrom(member: Member, publisherSid: string): void;
  mayRegress(): boolean;
  /** Takes it out of the room and closes it. */
  remove(member: Member, reason: CloseReason, sayLeave: boolean): void;
}

/** What the room decides for a member. */
export interface MemberTerms {
  mediaId: MediaParticipantId;
  worker: WorkerId;
  codecs: readonly EnabledCodec[];
  syncStreams: boolean;
  playoutDelay: boolean;
  /** What everybody in the room was told. */
  announcements: Announcements;
}

export class Member {
  readonly mediaId: MediaParticipantId;
  readonly singlePc: boolean;
  readonly autoSubscribe: boolean;
  readonly autoSubscribeData: boolean;
  readonly participant: Participant;
  readonly codecs: ClientCodecs;
  readonly outbox: Outbox;
  readonly feed: ParticipantFeed;
  readonly responses: RequestResponses;
  readonly publications: Publications;
  readonly subscriptions: Subscriptions;
  readonly subscriptionPermissions = new SubscriptionPermissions();
  readonly dataBlobs: DataBlobs;
  readonly dataTracks: DataTracks;
  readonly dataSubscriptions: DataSubscriptions;
  readonly connection: Connection;
  readonly transports: Transports;
  readonly negotiation: Negotiation;
  readonly tokens: TokenRefresh;
  readonly #context: RoomContext;
  readonly #observer: MemberObserver;
  readonly #rules: ClientConfiguration | undefined;
  readonly #background: Background;
  #lastHeardAt: number;
  #closed = false;

  constructor(
    context: RoomContext,
    params: JoinParams,
    terms: MemberTerms,
    sink: SignalSink,
    observer: MemberObserver,
  ) {
    const { clock } = context;
    this.#context = context;
    this.#observer = observer;
    this.#background = new Background(context.log);
    this.#lastHeardAt = clock.now();
    this.mediaId = terms.mediaId;
    this.singlePc = params.singlePc;
    this.autoSubscribe = params.autoSubscribe;
    this.autoSubscribeData = params.autoSubscribeDataTrack ?? false;
    this.dataTracks = new DataTracks(context.config.dataTracks);
    this.participant = this.#makeParticipant(params);
    this.#rules = clientConfiguration(params.client);
    this.codecs = clientCodecs(terms.codecs, this.#rules);
    this.outbox = new Outbox(sink);
    this.dataSubscriptions = new DataSubscriptions(this.outbox);
    this.feed = new ParticipantFeed(this.participant.sid, this.outbox, terms.announcements);
    this.responses = new RequestResponses(this.participant, this.outbox);
    this.publications = this.#makePublications();
    this.subscriptions = this.#makeSubscriptions(params, terms);
    this.dataBlobs = new DataBlobs(context.config.dataBlobs);
    this.connection = this.#makeConnection();
    this.transports = this.#makeTransports(params);
    this.negotiation = context.createNegotiation(
      negotiationHost(this, context.metrics),
      this.#negotiationOptions(params, terms),
    );
    this.tokens = new TokenRefresh({
      clock,
      issue: context.issueToken,
      participant: this.participant,
      outbox: this.outbox,
      originalExpiry: params.tokenExpiresAt,
    });
  }

  /** When the client was last heard of on its socket. */
  get lastHeardAt(): number {
    return this.#lastHeardAt;
  }

  get closed(): boolean {
    return this.#closed;
  }

  heard(): void {
    this.#lastHeardAt = this.#context.clock.now();
  }

  /** As join and reconnect responses carry it. */
  get clientConfiguration(): ClientConfiguration | undefined {
    if (this.transports.preference !== 'tls') return this.#rules;
    const configuration = this.#rules?.clone() ?? new ClientConfiguration();
    configuration.forceRelay = ClientConfigSetting.ENABLED;
    return configuration;
  }

  /** Whose quality and loudness it is told. */
  get subscribedSids(): readonly string[] {
    return this.subscriptions.publisherSids;
  }

  /** Of all tracks it publishes and receives. */
  scores(): Score[] {
    const published = this.publications.all().flatMap((publication) => publication.score ?? []);
    const received = this.subscriptions.live().flatMap((subscription) => subscription.score ?? []);
    return [...published, ...received];
  }

  /** Replaces what it may do and ends what it may not do any more. */
  setPermission(permission: ParticipantPermission): void {
    this.participant.setPermission(permission, this.participant.isPublisher);
  }

  /** Starts ICE anew where the client wants to be; where it has to begin that itself, it is asked to come back. */
  switchCandidates(preference: CandidatePreference): void {
    this.transports.switchTo(preference);
    if (!this.negotiation.restartIce()) this.askToResume();
  }

  /** Drops the socket too, so that clients notice which don't know the message. */
  askToResume(): void {
    this.#sayLeave('peerDisconnected', 'resume');
    this.outbox.close();
  }

  /** Hands a description of the client to the negotiation; one that can't be used ends the session. */
  describe(what: 'offer' | 'answer', sdp: string, id: number): void {
    const { negotiation } = this;
    this.#background.run(`handle an ${what}`, async () => {
      try {
        await (what === 'offer' ? negotiation.handleOffer(sdp, id) : negotiation.handleAnswer(sdp, id));
      } catch (error) {
        if (this.#closed) return;
        const reason = error instanceof Error ? error.message : String(error);
        this.#context.log.info({ error: reason, participantID: this.participant.sid }, `unusable ${what}`);
        this.#context.metrics.refused(what);
        this.restartSession('negotiationFailed');
      }
    });
  }

  /** Tells the client to come back with a new session, and ends this one. */
  restartSession(reason: CloseReason): void {
    this.#sayLeave(reason, 'reconnect');
    this.#observer.remove(this, reason, false);
  }

  #sayLeave(reason: CloseReason, action: LeaveAction): void {
    const leave = leaveRequest(reason, action, this.participant.gates.leaveAction);
    if (leave !== undefined) this.outbox.send({ case: 'leave', value: leave });
  }

  /** Ends everything; called by the room once it is out of it. Idempotent. */
  close(reason: CloseReason, sayLeave: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    if (sayLeave) this.#sayLeave(reason, 'disconnect');
    this.connection.close();
    this.transports.close();
    this.tokens.close();
    this.publications.close();
    this.participant.moveTo({ name: 'disconnected', reason });
    this.subscriptions.close();
    this.negotiation.close();
    this.outbox.close();
  }

  /** Resolves once nothing of it runs any more. */
  settled(): Promise<void> {
    return this.#background.settled();
  }

  #makeParticipant(params: JoinParams): Participant {
    const seed = {
      sid: newParticipantSid(),
      identity: params.identity,
      claims: params.claims,
      client: params.client,
      region: this.#context.serverInfo.region,
      joinedAt: this.#context.clock.now(),
    };
    const figures = new SessionFigures(this.#context.sessionMetrics, this.#context.clock);
    const tracks = () => this.publications.infos();
    const dataTracks = () => this.dataTracks.all();
    return new Participant(seed, tracks, dataTracks, {
      infoChanged: () => this.#observer.infoChanged(this),
      stateChanged: (from) => {
        figures.stateChanged(this.participant, from);
        this.#observer.stateChanged(this, from);
      },
      permissionChanged: () => {
        this.publications.revokeForbidden();
        this.subscriptions.reconcileAll();
        this.#observer.permissionChanged(this);
      },
      profileChanged: () => this.#observer.profileChanged(this),
      claimsChanged: () => this.tokens.send(),
    });
  }

  #makePublications(): Publications {
    const { engine, clock, config, trackMetrics } = this.#context;
    return new Publications({
      participant: this.participant,
      outbox: this.outbox,
      responses: this.responses,
      engine,
      clock,
      traits: { codecs: this.codecs.publish, obs: isObs(this.participant.client) },
      dynacastPauseDelayMs: config.video.dynacastPauseDelayMs,
      metrics: trackMetrics,
      observer: {
        published: (publication) => this.#observer.published(this, publication),
        changed: () => this.#observer.publicationChanged(this),
        unpublished: (publication) => this.#observer.unpublished(this, publication),
        announced: () => this.negotiation.rematch(),
        audible: (level, active, { sid }) => this.#observer.audible(this, sid, level, active),
        mayRegress: () => this.#observer.mayRegress(),
      },
    });
  }

  #makeSubscriptions(params: JoinParams, terms: MemberTerms): Subscriptions {
    const { clock, config, trackMetrics } = this.#context;
    const { participant, outbox, feed } = this;
    const setup = {
      participant,
      metrics: trackMetrics,
      outbox,
      feed,
      clock,
      adaptiveStream: params.adaptiveStream,
      syncStreams: terms.syncStreams,
      limits: { audio: config.limits.subscriptionLimitAudio, video: config.limits.subscriptionLimitVideo },
      codecs: this.codecs.decodable,
      observer: {
        resolve: (trackSid: string) => this.#observer.resolve(trackSid),
        permits: (publication: Publication) => this.#observer.permits(publication, participant),
        subscribedTo: (publisherSid: string) => this.#observer.subscribedTo(this, publisherSid),
        unsubscribedFrom: (publisherSid: string) => this.#observer.unsubscribedFrom(this, publisherSid),
        failed: (fatal: boolean) => {
          if (fatal && config.rtc.reconnectOnSubscriptionError) this.restartSession('subscriptionError');
        },
      },
    };
    return new Subscriptions(setup, () => this.negotiation);
  }

  #makeConnection(): Connection {
    return new Connection(this.#context.clock, {
      established: () => {
        this.participant.moveTo({ name: 'active', since: this.#context.clock.now() });
      },
      askToResume: () => this.askToResume(),
      restartSession: (reason) => this.restartSession(reason),
      over: (reason, sayLeave) => {
        if (reason === 'joinTimeout') this.#context.metrics.joinFailed('timeout');
        this.#observer.remove(this, reason, sayLeave);
      },
    });
  }

  #makeTransports({ room, identity, client }: JoinParams): Transports {
    const { clock, config, preferences, metrics, log } = this.#context;
    return new Transports({
      clock,
      settings: fallbackSettings(config),
      clientTcp: connectsByTcp(client),
      preference: preferences.get(room, identity),
      remember: (preference) => preferences.put(room, identity, preference),
      heardAt: () => (this.outbox.open ? this.#lastHeardAt : undefined),
      connection: this.connection,
      metrics,
      log: log.child({ room, participant: identity, participantID: this.participant.sid }),
    });
  }

  #negotiationOptions(params: JoinParams, terms: MemberTerms): NegotiationOptions {
    const { participant } = this;
    const { client, gates } = participant;
    const { rtc } = this.#context.config;
    return {
      singlePc: params.singlePc,
      subscriberPrimary: gates.subscriberPrimary && maySubscribe(participant.grant) && !params.singlePc,
      protocol: client.protocol,
      dataTracks: this.#context.config.dataTracks.enabled,
      worker: terms.worker,
      publishCodecs: this.codecs.negotiable.publish,
      subscribeCodecs: this.codecs.negotiable.subscribe,
      iceLite: rtc.useIceLite && !params.disableIceLite && gates.iceLite && !isFirefox(client),
      candidatePreference: () => this.transports.preference,
      addresses: addressRules(rtc, client),
      playoutDelay: terms.playoutDelay,
      onlyPreferredVideoCodec: ignoresCodecOrder(client),
    };
  }
}
