/** What follows in a room when one of its members changes. */

import { ConnectionQualityUpdate, SignalResponse, SpeakerInfo, SpeakersChanged } from '@livekit/protocol';
import type { CloseReason } from './close-reason.ts';
import { judge } from './connection-quality.ts';
import type { Member, MemberObserver } from './member.ts';
import type { Participant, ParticipantState } from './participant.ts';
import type { Publication } from './publication.ts';
import type { RoomParts } from './room-parts.ts';

export class RoomReactions implements MemberObserver {
  readonly #parts: RoomParts;
  readonly #regressionThreshold: number;
  readonly #remove: (member: Member, reason: CloseReason, sayLeave: boolean) => void;

  /** `regressionThreshold`: with so many participants tracks keep all their codecs; 0 for never. */
  constructor(
    parts: RoomParts,
    regressionThreshold: number,
    remove: (member: Member, reason: CloseReason, sayLeave: boolean) => void,
  ) {
    this.#parts = parts;
    this.#regressionThreshold = regressionThreshold;
    this.#remove = remove;
  }

  remove(member: Member, reason: CloseReason, sayLeave: boolean): void {
    this.#remove(member, reason, sayLeave);
  }

  infoChanged(member: Member): void {
    this.#parts.members.recount(member);
    this.#parts.roster.changed(member.participant);
  }

  stateChanged(member: Member, from: ParticipantState['name']): void {
    const { participant } = member;
    // Nobody has heard of one that never got in.
    if (participant.disconnected && from === 'joining') return;
    if (!participant.disconnected) this.#save(member);
    this.#parts.updates.publish(participant, member.feed, { immediate: false, toSelf: false });
    if (!participant.active) return;
    member.subscriptions.activated();
    this.subscribeToExisting(member);
  }

  permissionChanged(member: Member): void {
    this.#parts.dataTracks.permissionChanged(member);
  }

  /** It published or unpublished one. */
  dataTracksChanged(member: Member): void {
    this.#parts.info.countsChanged();
    this.#save(member);
    this.#parts.updates.publish(member.participant, member.feed, { immediate: false, toSelf: false });
  }

  profileChanged(member: Member): void {
    this.#parts.info.countsChanged();
    this.#save(member);
    this.#parts.data.update(member);
    this.#parts.updates.publish(member.participant, member.feed, { immediate: true, toSelf: true });
  }

  published(member: Member, publication: Publication): void {
    const { sid } = publication;
    this.#parts.tracks.set(sid, publication);
    this.#parts.info.countsChanged();
    this.#save(member);
    // Clients drop media of tracks they have not heard of, so that the news goes first.
    this.#parts.updates.publish(member.participant, member.feed, { immediate: false, toSelf: false });
    this.#parts.egress.published(member.participant, sid);
    this.#parts.dispatches.published(member);
    for (const other of this.#parts.members) {
      if (other === member) continue;
      if (other.autoSubscribe && other.participant.active) other.subscriptions.subscribe(sid);
      else other.subscriptions.trackChanged(sid);
    }
  }

  publicationChanged(member: Member): void {
    this.#save(member);
    this.#parts.updates.publish(member.participant, member.feed, { immediate: false, toSelf: true });
  }

  unpublished(member: Member, publication: Publication): void {
    this.#parts.tracks.delete(publication.sid);
    this.#parts.speakers.forgetTrack(member.participant.sid, publication.sid);
    if (member.closed) return;
    this.#save(member);
    this.#parts.updates.publish(member.participant, member.feed, { immediate: false, toSelf: false });
  }

  audible(member: Member, trackSid: string, level: number, active: boolean): void {
    this.#parts.speakers.report(member.participant.sid, trackSid, { level, active });
  }

  resolve(trackSid: string): Publication | undefined {
    return this.#parts.tracks.get(trackSid);
  }

  permits(publication: Publication, subscriber: Participant): boolean {
    const publisher = this.#parts.members.bySid(publication.publisher.sid);
    return publisher?.subscriptionPermissions.allows(publication.sid, subscriber.identity) === true;
  }

  subscribedTo(member: Member, publisherSid: string): void {
    const publisher = this.#parts.members.bySid(publisherSid);
    if (publisher?.participant.active !== true) return;
    const speaker = this.#parts.speakers.current(publisherSid);
    if (speaker !== undefined) sendSpeakers(member, [speaker]);
    if (!member.participant.gates.connectionQuality) return;
    const value = new ConnectionQualityUpdate({ updates: [judge(publisher)] });
    member.outbox.send({ case: 'connectionQuality', value });
  }

  /** From now on nobody tells it that the speaker fell silent. */
  unsubscribedFrom(member: Member, publisherSid: string): void {
    if (this.#parts.speakers.current(publisherSid) === undefined) return;
    sendSpeakers(member, [new SpeakerInfo({ sid: publisherSid, level: 0, active: false })]);
  }

  mayRegress(): boolean {
    return this.#regressionThreshold === 0 || this.#parts.members.size < this.#regressionThreshold;
  }

  subscribeToExisting(member: Member): void {
    this.#parts.dataTracks.subscribeToExisting(member);
    if (!member.autoSubscribe) return;
    for (const [sid, publication] of this.#parts.tracks) {
      if (publication.publisher !== member.participant) member.subscriptions.subscribe(sid);
    }
  }

  /** Each client hears of itself and of those it receives. */
  tellSpeakers(changed: SpeakerInfo[]): void {
    const shared = new SignalResponse({
      message: { case: 'speakersChanged', value: new SpeakersChanged({ speakers: changed }) },
    });
    for (const member of this.#parts.members) {
      const { participant, subscriptions, outbox } = member;
      if (!participant.ready || !participant.gates.speakersChanged) continue;
      const heard = changed.filter(({ sid }) => sid === participant.sid || subscriptions.isSubscribedTo(sid));
      if (heard.length === changed.length) outbox.sendShared(shared);
      else if (heard.length > 0) sendSpeakers(member, heard);
    }
  }

  #save({ participant }: Member): void {
    this.#parts.persistence.saveParticipant(participant.identity, participant.info());
  }
}

function sendSpeakers({ outbox, participant }: Member, speakers: SpeakerInfo[]): void {
  if (!participant.ready || !participant.gates.speakersChanged) return;
  outbox.send({ case: 'speakersChanged', value: new SpeakersChanged({ speakers }) });
}
