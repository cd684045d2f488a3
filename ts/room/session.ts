/** One socket's half of a member: turns the client's requests into calls of the parts (livekit-facts 3.6). */

import {
  type GetDataBlobRequest,
  GetDataBlobResponse,
  RequestResponse_Reason as Reason,
  type SimulateScenario,
  type StoreDataBlobRequest,
  StoreDataBlobResponse,
  type SyncState,
  type TrickleRequest,
  type UpdateParticipantMetadata,
} from '@livekit/protocol';
import type { Logger } from 'pino';
import { mayUpdateOwnMetadata } from '../auth/grants.ts';
import type { Identity } from '../lib/ids.ts';
import { closeReasonOfLeave } from './close-reason.ts';
import type { RoomConfig } from './config.ts';
import type {
  DataRequests,
  NegotiationRequests,
  ParticipantRequests,
  PublishingRequests,
  SignalSession,
  SignalSink,
  SubscribingRequests,
} from './contracts.ts';
import { fetchBlob, type Refusal } from './data-blobs.ts';
import type { Member } from './member.ts';
import { type ExceededLimit, exceededLimit } from './metadata.ts';
import type { RoomDataTracks } from './room-data-tracks.ts';
import { settingsOf } from './track-settings.ts';

/** What a session needs of the room. */
export interface SessionRoom {
  readonly config: RoomConfig;
  readonly dataTracks: RoomDataTracks;
  readonly log: Logger;
  readonly members: { get(identity: Identity): Member | undefined };
  remove(member: Member, reason: ReturnType<typeof closeReasonOfLeave>, sayLeave: boolean): void;
  updateSubscriptionPermission(
    member: Member,
    request: Parameters<PublishingRequests['subscriptionPermission']>[0],
  ): void;
  syncState(member: Member, state: SyncState): void;
  simulate(member: Member, scenario: SimulateScenario): void;
}

export class Session implements SignalSession {
  readonly negotiation: NegotiationRequests;
  readonly publishing: PublishingRequests;
  readonly subscribing: SubscribingRequests;
  readonly data: DataRequests;
  readonly participant: ParticipantRequests;
  readonly #room: SessionRoom;
  readonly #member: Member;
  readonly #sink: SignalSink;

  constructor(room: SessionRoom, member: Member, sink: SignalSink) {
    this.#room = room;
    this.#member = member;
    this.#sink = sink;
    this.negotiation = this.#negotiationRequests();
    this.publishing = this.#publishingRequests();
    this.subscribing = this.#subscribingRequests();
    this.data = this.#dataRequests();
    this.participant = this.#participantRequests();
  }

  closed(): void {
    this.#guard(() => {
      this.#member.outbox.detach();
      this.#member.connection.socketLost();
    })();
  }

  /** A request of a socket that is not the member's any more is none of its. A bug of ours must not end the socket. */
  #guard<Arguments extends unknown[]>(handle: (...given: Arguments) => void): (...given: Arguments) => void {
    return (...given) => {
      const member = this.#member;
      if (member.closed || !member.outbox.isCurrent(this.#sink)) return;
      member.heard();
      try {
        handle(...given);
      } catch (error) {
        this.#room.log.error(
          { error: error instanceof Error ? error.stack : String(error), participantID: member.participant.sid },
          'request failed',
        );
      }
    };
  }

  #negotiationRequests(): NegotiationRequests {
    const member = this.#member;
    return {
      offer: this.#guard(({ sdp, id }) => member.describe('offer', sdp, id)),
      answer: this.#guard(({ sdp, id }) => {
        member.transports.answered();
        member.describe('answer', sdp, id);
      }),
      trickle: this.#guard((trickle) => this.#trickle(trickle)),
    };
  }

  #trickle(trickle: TrickleRequest): void {
    try {
      this.#member.negotiation.handleTrickle(trickle.candidateInit, trickle.target);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#member.responses.send(Reason.UNCLASSIFIED_ERROR, { case: 'trickle', value: trickle }, error.message);
    }
  }

  #publishingRequests(): PublishingRequests {
    const member = this.#member;
    return {
      addTrack: this.#guard((request) => member.publications.addTrack(request)),
      mute: this.#guard(({ sid, muted }) => {
        member.publications.mute(sid, muted, false);
      }),
      updateAudioTrack: this.#guard((request) => member.publications.updateAudio(request)),
      updateVideoTrack: this.#guard((request) => member.publications.updateVideo(request)),
      subscriptionPermission: this.#guard((request) => this.#room.updateSubscriptionPermission(member, request)),
    };
  }

  #subscribingRequests(): SubscribingRequests {
    const { subscriptions } = this.#member;
    return {
      subscription: this.#guard((request) => subscriptions.update(request)),
      trackSetting: this.#guard((request) => {
        for (const sid of request.trackSids) subscriptions.setSettings(sid, settingsOf(request));
      }),
    };
  }

  #dataRequests(): DataRequests {
    const member = this.#member;
    const { dataTracks } = this.#room;
    return {
      publishDataTrack: this.#guard((request) => dataTracks.publish(member, request)),
      unpublishDataTrack: this.#guard((request) => dataTracks.unpublish(member, request)),
      updateDataSubscription: this.#guard((request) => dataTracks.update(member, request)),
      storeDataBlob: this.#guard((request) => this.#storeDataBlob(request)),
      getDataBlob: this.#guard((request) => this.#getDataBlob(request)),
    };
  }

  #storeDataBlob(request: StoreDataBlobRequest): void {
    const { requestId } = request;
    const stored = this.#member.dataBlobs.store(request);
    if ('reason' in stored) this.#refuse(stored, requestId);
    else
      this.#member.outbox.send({
        case: 'storeDataBlobResponse',
        value: new StoreDataBlobResponse({ requestId, key: stored.key }),
      });
  }

  #getDataBlob({ requestId, participantIdentity, key }: GetDataBlobRequest): void {
    const owner = this.#room.members.get(participantIdentity as Identity);
    const blob = fetchBlob(owner?.dataBlobs, key);
    if ('reason' in blob) this.#refuse(blob, requestId);
    else this.#member.outbox.send({ case: 'getDataBlobResponse', value: new GetDataBlobResponse({ requestId, blob }) });
  }

  #refuse({ reason, message }: Refusal, requestId: number): void {
    this.#member.responses.send(reason, { case: undefined }, message, requestId);
  }

  #participantRequests(): ParticipantRequests {
    const member = this.#member;
    return {
      leave: this.#guard(({ reason }) => this.#room.remove(member, closeReasonOfLeave(reason), true)),
      syncState: this.#guard((state) => this.#room.syncState(member, state)),
      simulate: this.#guard((scenario) => this.#room.simulate(member, scenario)),
      updateMetadata: this.#guard((request) => this.#updateMetadata(request)),
      ping: this.#guard((ping) => member.transports.setSignalRtt(Number(ping?.rtt ?? 0))),
    };
  }

  #updateMetadata(request: UpdateParticipantMetadata): void {
    const { participant, responses } = this.#member;
    const respond = (reason: Reason, message = ''): void =>
      responses.send(reason, { case: 'updateMetadata', value: request }, message, request.requestId);
    if (!mayUpdateOwnMetadata(participant.grant)) {
      respond(Reason.NOT_ALLOWED, 'does not have permission to update own metadata');
      return;
    }
    const exceeded = exceededLimit(this.#room.config.limits, request);
    if (exceeded !== undefined) {
      respond(Reason.LIMIT_EXCEEDED, LIMIT_TEXTS[exceeded]);
      return;
    }
    participant.updateProfile(request);
    respond(Reason.OK);
  }
}

/** What clients and tests match on. */
const LIMIT_TEXTS: Record<ExceededLimit, string> = {
  name: 'exceeds name length limit',
  metadata: 'exceeds metadata size limit',
  attributes: 'exceeds attributes size limit',
};
