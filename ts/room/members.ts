import { isDependent } from '../auth/grants.ts';
import type { Identity, ParticipantSid } from '../lib/ids.ts';
import type { Member } from './member.ts';
import type { RoomCounts } from './room-info.ts';

/** Who is in a room: one member per identity. */
export class Members implements Iterable<Member> {
  readonly #byIdentity = new Map<Identity, Member>();
  readonly #bySid = new Map<ParticipantSid, Member>();

  get size(): number {
    return this.#byIdentity.size;
  }

  get(identity: Identity): Member | undefined {
    return this.#byIdentity.get(identity);
  }

  bySid(sid: string): Member | undefined {
    return this.#bySid.get(sid as ParticipantSid);
  }

  /** Stays valid while members come and go. */
  [Symbol.iterator](): Iterator<Member> {
    return [...this.#byIdentity.values()][Symbol.iterator]();
  }

  add(member: Member): void {
    this.#byIdentity.set(member.participant.identity, member);
    this.#bySid.set(member.participant.sid, member);
  }

  /** Returns false where it is not in, for example because another session has its identity. */
  remove(member: Member): boolean {
    if (!this.#bySid.delete(member.participant.sid)) return false;
    if (this.get(member.participant.identity) === member) this.#byIdentity.delete(member.participant.identity);
    return true;
  }

  get counts(): RoomCounts {
    let participants = 0;
    let publishers = 0;
    for (const { participant } of this.#byIdentity.values()) {
      if (!isDependent(participant.claims)) participants += 1;
      if (participant.isPublisher) publishers += 1;
    }
    return { participants, publishers };
  }
}
