import {
  type AgentDispatch,
  type ParticipantInfo,
  type Room as RoomMessage,
  RoomUpdate,
  SignalResponse,
  type SimulateScenario,
  type SubscriptionPermission,
  type SyncState,
  UpdateTrackSettings,
} from '@livekit/protocol';
import type { Logger } from 'pino';
import { type Claims, isDependent, isRecorder } from '../auth/grants.ts';
import { newSecret } from '../lib/guid.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { MediaRoomId } from '../media/commands.ts';
import { AgentDispatches } from './agent-dispatches.ts';
import type { CloseReason } from './close-reason.ts';
import type { RoomConfig } from './config.ts';
import { ConnectionQualities } from './connection-quality.ts';
import type { RoomContext } from './context.ts';
import type { JoinParams, RoomInternal, SignalSink, StoredRoom } from './contracts.ts';
import { Member } from './member.ts';
import { Members } from './members.ts';
import { ParticipantUpdates } from './participant-updates.ts';
import { RoomData } from './room-data.ts';
import { RoomDataTracks } from './room-data-tracks.ts';
import { RoomEgress } from './room-egress.ts';
import { RoomInfo } from './room-info.ts';
import type { RoomParts } from './room-parts.ts';
import { RoomPersistence } from './room-persistence.ts';
import { RoomReactions } from './room-reactions.ts';
import { Roster } from './roster.ts';
import { type ResumeFault, Simulations } from './simulations.ts';
import { Speakers } from './speakers.ts';
import { settingsOf } from './track-settings.ts';

/** A room on this node: who is in it, and how long it lasts. What its members do to each other is in its parts. */
export class Room {
  readonly name: RoomName;
  /** End-to-end encrypting clients know frames that the server makes up by this ending. */
  readonly sifTrailer = new TextEncoder().encode(newSecret());
  readonly config: RoomConfig;
  readonly log: Logger;
  readonly dispatches: AgentDispatches;
  readonly egress: RoomEgress;
  readonly #context: RoomContext;
  readonly #mediaId: MediaRoomId;
  readonly #parts: RoomParts;
  readonly #reactions: RoomReactions;
  readonly #simulations: Simulations;
  readonly #onClosed: (room: Room) => void;
  /** Members that left and may still have work to finish. */
  readonly #leaving = new Set<Promise<void>>();
  #internal: RoomInternal;
  #holds = 0;
  /** Whether anybody but dependents ever joined. */
  #everJoined = false;
  /** Milliseconds since the epoch; undefined while nobody left yet. */
  #lastLeftAt: number | undefined;
  #closing: Promise<void> | undefined;

  /** `former`: what a host that had the room before had written of its agents. */
  constructor(
    context: RoomContext,
    stored: StoredRoom,
    former: readonly AgentDispatch[],
    onClosed: (room: Room) => void,
  ) {
    const { clock, config, engine } = context;
    this.name = stored.room.name as RoomName;
    this.config = config;
    this.log = context.log.child({ room: this.name, roomID: stored.room.sid });
    this.#context = context;
    this.#internal = stored.internal;
    this.#onClosed = onClosed;
    this.#mediaId = engine.nextRoom();
    const { name, log } = this;
    this.egress = new RoomEgress({
      egress: context.egress,
      room: { name, sid: stored.room.sid },
      internal: () => this.#internal,
      log,
    });
    this.dispatches = this.#makeDispatches(former);
    this.#parts = this.#makeParts(stored.room);
    this.#reactions = new RoomReactions(this.#parts, config.video.codecRegressionThreshold, (...leave) =>
      this.remove(...leave),
    );
    this.#simulations = new Simulations(clock, {
      tellSpeakers: (changed) => this.#reactions.tellSpeakers(changed),
      remove: (...leave) => this.remove(...leave),
    });
  }

  #makeDispatches(former: readonly AgentDispatch[]): AgentDispatches {
    const { agents, clock, ownership, store } = this.#context;
    return new AgentDispatches({
      room: this.name,
      internal: this.#internal,
      former,
      jobs: agents,
      store: store.dispatches,
      right: ownership,
      clock,
      log: this.log,
      snapshot: () => this.snapshot(),
      members: () => this.#parts.members,
      removeAgent: (identity) => {
        const member = this.#parts.members.get(identity);
        if (member !== undefined) this.remove(member, 'removed', true);
      },
    });
  }

  #makeParts(room: RoomMessage): RoomParts {
    const { clock, config, engine, ownership, store, trackMetrics } = this.#context;
    const members = new Members();
    const receivers = {
      receivers: () => members,
      current: (identity: Identity) => members.get(identity)?.participant,
    };
    return {
      members,
      roster: new Roster(),
      tracks: new Map(),
      info: new RoomInfo(
        clock,
        room,
        () => members.counts,
        (changed) => this.#announce(changed),
      ),
      updates: new ParticipantUpdates(clock, receivers, config.updateBatchTargetSize),
      speakers: new Speakers(clock, config.audio.updateIntervalMs, (changed) => this.#reactions.tellSpeakers(changed)),
      qualities: new ConnectionQualities(clock, trackMetrics, () => members),
      data: new RoomData(engine, this.#mediaId, clock),
      dataTracks: new RoomDataTracks(engine, members, (publisher) => this.#reactions.dataTracksChanged(publisher)),
      dispatches: this.dispatches,
      egress: this.egress,
      persistence: new RoomPersistence(store, ownership, this.name, this.log),
    };
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  get dataTracks(): RoomDataTracks {
    return this.#parts.dataTracks;
  }

  get data(): RoomData {
    return this.#parts.data;
  }

  get members(): Members {
    return this.#parts.members;
  }

  /** Published tracks, and live subscriptions to them. */
  get trackCounts(): { published: number; subscribed: number } {
    let subscribed = 0;
    for (const member of this.#parts.members) subscribed += member.subscriptions.liveCount;
    return { published: this.#parts.tracks.size, subscribed };
  }

  snapshot(): RoomMessage {
    return this.#parts.info.snapshot();
  }

  /** Everybody that clients may see. */
  visibleInfos(): ParticipantInfo[] {
    const infos: ParticipantInfo[] = [];
    for (const { participant } of this.#parts.members) if (!participant.hidden) infos.push(participant.info());
    return infos;
  }

  /** Everybody else that it may see, as the join response lists them. */
  encodeOthers({ participant }: Member): Uint8Array[] {
    return this.#parts.roster.encode(participant);
  }

  /** Participants whose leave was told since then: a client that lost its socket may not have heard. */
  departedSince(since: number, followsIdentities: boolean): ParticipantInfo[] {
    return this.#parts.updates.announcements.departedSince(since, followsIdentities);
  }

  /** Keeps an empty room from ending while somebody is on the way in; false where it ended already. */
  hold(): boolean {
    if (this.closed) return false;
    this.#holds += 1;
    return true;
  }

  release(): void {
    this.#holds -= 1;
  }

  /** Applies an explicit request for the room: limits and metadata at once, the rest to who joins from now on. */
  replace({ room, internal }: StoredRoom): void {
    this.#internal = internal;
    this.#parts.info.edit((current) => {
      current.emptyTimeout = room.emptyTimeout;
      current.departureTimeout = room.departureTimeout;
      current.maxParticipants = room.maxParticipants;
      current.metadata = room.metadata;
    });
  }

  get stored(): StoredRoom {
    return { room: this.snapshot(), internal: this.#internal };
  }

  setMetadata(metadata: string): void {
    this.#parts.info.edit((room) => {
      room.metadata = metadata;
    });
  }

  /** Rejects who may not come in: the room ended or is full. A session with the same identity makes place. */
  assertOpenFor(identity: Identity, claims: Claims): void {
    if (this.closed) throw new RpcError('unavailable', 'room has already closed');
    const { members, info } = this.#parts;
    if (info.maxParticipants === 0 || isDependent(claims)) return;
    const former = members.get(identity);
    const replaced = former !== undefined && !isDependent(former.participant.claims) ? 1 : 0;
    if (members.counts.participants - replaced < info.maxParticipants) return;
    throw new RpcError('resource_exhausted', 'room has exceeded its max participants');
  }

  /** A member that is not in the room yet; it is either admitted or discarded. */
  prepare(params: JoinParams, sink: SignalSink): Member {
    const { engine, placement } = this.#context;
    const terms = {
      mediaId: engine.nextParticipant(),
      worker: placement.place(this.#mediaId),
      codecs: this.#parts.info.enabledCodecs,
      syncStreams: this.#internal.syncStreams,
      playoutDelay: this.#internal.playoutDelay?.enabled === true,
      announcements: this.#parts.updates.announcements,
    };
    return new Member(this.#context, params, terms, sink, this.#reactions);
  }

  discard(member: Member): void {
    member.close('joinFailed', false);
    this.#release(member);
  }

  /** In place of a former session of the identity. */
  admit(member: Member): void {
    const { members, roster, info, data, persistence } = this.#parts;
    const { participant } = member;
    const former = members.get(participant.identity);
    if (former !== undefined) this.remove(former, 'duplicateIdentity', true);
    members.add(member);
    roster.add(participant);
    data.add(member);
    this.#context.presence.participantJoined(this.name, participant.identity);
    if (!isDependent(participant.claims)) this.#everJoined = true;
    if (isRecorder(participant.claims)) this.#updateRecording();
    info.countsChanged();
    persistence.saveParticipant(participant.identity, participant.info());
    this.dispatches.joined(member);
    this.log.info({ participantID: participant.sid, numParticipants: members.size }, 'participant joined');
  }

  subscribeToExisting(member: Member): void {
    this.#reactions.subscribeToExisting(member);
  }

  remove(member: Member, reason: CloseReason, sayLeave: boolean): void {
    const { members, roster, info, data, persistence } = this.#parts;
    if (!members.remove(member)) return;
    roster.remove(member.participant);
    const { identity, sid, claims } = member.participant;
    this.#parts.dataTracks.left(member);
    data.remove(member);
    this.#context.presence.participantLeft(this.name, identity);
    member.close(reason, sayLeave);
    this.#release(member);
    this.#lastLeftAt = this.#context.clock.now();
    if (isRecorder(claims)) this.#updateRecording();
    info.countsChanged();
    if (members.get(identity) === undefined) {
      persistence.removeParticipant(identity);
      this.egress.left(identity);
    }
    this.dispatches.left(identity, reason === 'duplicateIdentity');
    this.log.info({ participantID: sid, reason, numParticipants: members.size }, 'participant left');
  }

  #release(member: Member): void {
    this.#context.placement.release(this.#mediaId, member.negotiation.worker);
    const settled = member.settled().finally(() => this.#leaving.delete(settled));
    this.#leaving.add(settled);
  }

  #updateRecording(): void {
    const { members, info } = this.#parts;
    const recording = [...members].some(({ participant }) => isRecorder(participant.claims));
    if (recording === info.activeRecording) return;
    info.edit((room) => {
      room.activeRecording = recording;
    });
  }

  #announce(room: RoomMessage): void {
    this.#parts.persistence.saveRoom(room, this.#internal);
    const update = new SignalResponse({ message: { case: 'roomUpdate', value: new RoomUpdate({ room }) } });
    for (const { participant, outbox } of this.#parts.members) if (participant.ready) outbox.sendShared(update);
  }

  updateSubscriptionPermission(member: Member, request: SubscriptionPermission): void {
    const { members } = this.#parts;
    const replaced = member.subscriptionPermissions.replace(request, (sid) => members.bySid(sid)?.participant.identity);
    if (!replaced) return;
    for (const { sid } of member.publications.all()) {
      for (const other of members) other.subscriptions.trackChanged(sid);
    }
    this.#parts.dataTracks.permitted(member);
  }

  /** What a resumed client believes; where it believes in tracks that are not there it begins anew. */
  syncState(member: Member, state: SyncState): void {
    const known = state.publishTracks.every(({ track }) => track !== undefined && member.publications.knows(track.sid));
    const dataKnown = state.publishDataTracks.every(
      ({ info }) => info === undefined || member.dataTracks.knows(info.sid),
    );
    if (!known || !dataKnown) {
      member.restartSession('publicationError');
      return;
    }
    const disabled = settingsOf(new UpdateTrackSettings({ disabled: true }));
    for (const sid of state.trackSidsDisabled) member.subscriptions.setSettings(sid, disabled);
    if (state.subscription !== undefined) member.subscriptions.update(state.subscription);
  }

  simulate(member: Member, scenario: SimulateScenario): void {
    this.#simulations.run(member, scenario);
  }

  resumeFault(identity: Identity): ResumeFault {
    return this.#simulations.resumeFault(identity);
  }

  /** Ends the room where nobody but dependents has been in it for long enough. */
  closeIfIdle(now: number): void {
    const { members, info } = this.#parts;
    if (this.closed || this.#holds > 0 || members.counts.participants > 0) return;
    const departed = this.#everJoined && this.#lastLeftAt !== undefined;
    const since = departed ? (this.#lastLeftAt ?? now) : Number(this.snapshot().creationTimeMs);
    const timeoutS = departed ? info.departureTimeout : info.emptyTimeout;
    if (now - since < timeoutS * 1000) return;
    this.log.info({ reason: departed ? 'departure timeout' : 'empty timeout' }, 'closing idle room');
    // `close` logs what goes wrong and never rejects.
    void this.close('roomClosed');
  }

  /** Everybody leaves; resolves once the store knows. Idempotent. */
  close(reason: CloseReason): Promise<void> {
    this.#closing ??= this.#close(reason, 'removed');
    return this.#closing;
  }

  /**
   * Ends the room here and not in the cluster: everybody is told to come back, to wherever it is then. A room that is
   * `givenUp` is free before they hear of it; one that is `lost` has been another node's for some time. Idempotent.
   */
  moveAway(ending: 'givenUp' | 'lost'): Promise<void> {
    this.#closing ??= this.#close('roomMoved', ending);
    return this.#closing;
  }

  async #close(reason: CloseReason, ending: Ending): Promise<void> {
    // Whoever asks in this turn must find the room closed: leaving members ask.
    await Promise.resolve();
    const { members, info, updates, speakers, qualities, data, persistence } = this.#parts;
    const { clock, sessionMetrics, ownership } = this.#context;
    await this.dispatches.close(ending === 'removed');
    if (ending !== 'removed') await persistence.close();
    if (ending === 'givenUp') await ownership.release(this.name, false);
    updates.close();
    for (const member of members) {
      if (ending === 'removed') this.remove(member, reason, true);
      else member.restartSession(reason);
    }
    data.close();
    info.close();
    speakers.close();
    qualities.close();
    sessionMetrics.roomEnded(clock.now() - Number(this.snapshot().creationTimeMs));
    await Promise.all(this.#leaving);
    await persistence.close();
    if (ending === 'removed') await ownership.release(this.name, true);
    this.#onClosed(this);
    this.log.info({ ending }, 'room closed');
  }

  /** Writes everything that is known of the room anew: what it was written to is gone, or was away. */
  republish(): void {
    if (this.closed) return;
    const { members, persistence } = this.#parts;
    persistence.saveRoom(this.snapshot(), this.#internal);
    for (const { participant } of members) persistence.saveParticipant(participant.identity, participant.info());
    this.dispatches.republish();
  }

  /** Tries again what the store refused. */
  retryPersisting(): void {
    this.#parts.persistence.retry();
  }

  /** Nobody is in it, or on the way in. */
  get deserted(): boolean {
    return this.#holds === 0 && this.#parts.members.size === 0;
  }

  /** Resolves once the store has what happened so far. */
  persisted(): Promise<void> {
    return this.#parts.persistence.settled();
  }
}

/** What becomes of a room in the cluster when it ends here. */
type Ending = 'removed' | 'givenUp' | 'lost';
