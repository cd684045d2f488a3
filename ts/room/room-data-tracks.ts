/** Data tracks of a room: who publishes which, who gets them, and the ways of their packets between workers. */

import {
  type DataTrackInfo,
  type PublishDataTrackRequest,
  PublishDataTrackResponse,
  RequestResponse_Reason as Reason,
  SubscriptionPermissionUpdate,
  type UnpublishDataTrackRequest,
  UnpublishDataTrackResponse,
  type UpdateDataSubscription,
} from '@livekit/protocol';
import { isRecorder, mayPublishData, maySubscribe } from '../auth/grants.ts';
import type { DataTrackReceiver, WorkerId } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import type { Member } from './member.ts';
import type { Members } from './members.ts';

interface Track {
  readonly info: DataTrackInfo;
  readonly publisher: Member;
  /** Their handles. */
  readonly receivers: Map<Member, number>;
  /** That know of it. */
  workers: ReadonlySet<WorkerId>;
}

export class RoomDataTracks {
  readonly #engine: MediaEngine;
  readonly #members: Members;
  /** Others are to hear of a member's tracks. */
  readonly #announce: (publisher: Member) => void;
  readonly #tracks = new Map<string, Track>();

  constructor(engine: MediaEngine, members: Members, announce: (publisher: Member) => void) {
    this.#engine = engine;
    this.#members = members;
    this.#announce = announce;
  }

  publish(publisher: Member, request: PublishDataTrackRequest): void {
    const info = publisher.dataTracks.publish(request, mayPublishData(publisher.participant.grant));
    if ('reason' in info) {
      publisher.responses.send(info.reason, { case: 'publishDataTrack', value: request }, info.message);
      return;
    }
    const track: Track = { info, publisher, receivers: new Map(), workers: new Set() };
    this.#tracks.set(info.sid, track);
    publisher.participant.markPublisher();
    this.#changed(publisher);
    for (const other of this.#members) {
      if (other === publisher) continue;
      if (other.autoSubscribeData && other.participant.active) other.dataSubscriptions.want(info.sid);
      this.#reconcile(track, other);
    }
    this.#route(track);
    publisher.outbox.send({ case: 'publishDataTrackResponse', value: new PublishDataTrackResponse({ info }) });
  }

  unpublish(publisher: Member, request: UnpublishDataTrackRequest): void {
    const info = publisher.dataTracks.unpublish(request.pubHandle);
    if (info === undefined) {
      publisher.responses.send(Reason.NOT_FOUND, { case: 'unpublishDataTrack', value: request });
      return;
    }
    this.#end(info.sid);
    publisher.outbox.send({ case: 'unpublishDataTrackResponse', value: new UnpublishDataTrackResponse({ info }) });
    this.#changed(publisher);
  }

  update(subscriber: Member, { updates }: UpdateDataSubscription): void {
    for (const { trackSid, subscribe } of updates) {
      if (subscribe) subscriber.dataSubscriptions.want(trackSid);
      else subscriber.dataSubscriptions.unwant(trackSid);
      const track = this.#tracks.get(trackSid);
      if (track !== undefined && this.#reconcile(track, subscriber)) this.#route(track);
    }
  }

  subscribeToExisting(subscriber: Member): void {
    if (!subscriber.autoSubscribeData) return;
    for (const [sid, track] of this.#tracks) {
      if (track.publisher === subscriber) continue;
      subscriber.dataSubscriptions.want(sid);
      if (this.#reconcile(track, subscriber)) this.#route(track);
    }
  }

  /** What a member may do changed: what it may not publish ends, what it may receive begins or ends. */
  permissionChanged(member: Member): void {
    if (!mayPublishData(member.participant.grant)) {
      for (const { pubHandle } of member.dataTracks.all()) {
        const info = member.dataTracks.unpublish(pubHandle);
        if (info === undefined) continue;
        this.#end(info.sid);
        member.outbox.send({ case: 'unpublishDataTrackResponse', value: new UnpublishDataTrackResponse({ info }) });
        member.participant.invalidate();
      }
    }
    for (const track of this.#tracks.values()) if (this.#reconcile(track, member)) this.#route(track);
  }

  /** A publisher said anew who may subscribe. */
  permitted(publisher: Member): void {
    for (const track of this.#tracks.values()) {
      if (track.publisher !== publisher) continue;
      let changed = false;
      for (const other of this.#members) changed = this.#reconcile(track, other) || changed;
      if (changed) this.#route(track);
    }
  }

  left(member: Member): void {
    for (const { sid } of member.dataTracks.all()) this.#end(sid);
    for (const track of this.#tracks.values()) if (track.receivers.delete(member)) this.#route(track);
  }

  #end(sid: string): void {
    const track = this.#tracks.get(sid);
    if (track === undefined) return;
    this.#tracks.delete(sid);
    for (const worker of track.workers) this.#close(track, worker);
    for (const member of this.#members) member.dataSubscriptions.forget(sid);
    for (const [member, handle] of track.receivers) member.dataSubscriptions.stop(handle);
  }

  #changed(publisher: Member): void {
    publisher.participant.invalidate();
    this.#announce(publisher);
  }

  /** Starts or stops what is to be; returns whether anything changed. */
  #reconcile(track: Track, member: Member): boolean {
    const { info, publisher, receivers } = track;
    const { dataSubscriptions, participant } = member;
    const handle = receivers.get(member);
    const wanted = dataSubscriptions.wants(info.sid) && maySubscribe(participant.grant) && member !== publisher;
    const live = wanted && this.#permits(track, member);
    if (live === (handle !== undefined)) return false;
    if (handle !== undefined) {
      receivers.delete(member);
      dataSubscriptions.stop(handle);
      return true;
    }
    const { identity: publisherIdentity, sid: publisherSid } = publisher.participant;
    receivers.set(member, dataSubscriptions.start({ publisherIdentity, publisherSid, trackSid: info.sid }));
    return true;
  }

  #permits({ info: { sid: trackSid }, publisher }: Track, { participant, dataSubscriptions, outbox }: Member): boolean {
    const allowed =
      isRecorder(participant.claims) || publisher.subscriptionPermissions.allows(trackSid, participant.identity);
    dataSubscriptions.notePermission(trackSid, allowed, () => {
      const { sid: participantSid } = publisher.participant;
      const value = new SubscriptionPermissionUpdate({ participantSid, trackSid, allowed });
      outbox.send({ case: 'subscriptionPermissionUpdate', value });
    });
    return allowed;
  }

  /** Tells each worker what it needs to know: its receivers, and the publisher's to which others packets go. */
  #route(track: Track): void {
    const { info, publisher, receivers } = track;
    const home = publisher.negotiation.worker;
    const byWorker = new Map<WorkerId, DataTrackReceiver[]>([[home, []]]);
    for (const [{ negotiation, mediaId: participant }, handle] of receivers) {
      const there = byWorker.get(negotiation.worker) ?? [];
      there.push({ participant, handle });
      byWorker.set(negotiation.worker, there);
    }
    for (const worker of track.workers) if (!byWorker.has(worker)) this.#close(track, worker);
    const others = [...byWorker.keys()].filter((worker) => worker !== home);
    for (const [worker, there] of byWorker) {
      this.#engine.send(worker, {
        type: 'setDataTrack',
        publisher: publisher.mediaId,
        handle: info.pubHandle,
        workers: worker === home ? others : [],
        receivers: there,
      });
    }
    track.workers = new Set(byWorker.keys());
  }

  #close({ info, publisher }: Track, worker: WorkerId): void {
    this.#engine.send(worker, { type: 'closeDataTrack', publisher: publisher.mediaId, handle: info.pubHandle });
  }
}
