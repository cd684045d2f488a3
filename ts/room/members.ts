import { isDependent } from '../auth/grants.ts';
import type { Identity, ParticipantSid } from '../lib/ids.ts';
import type { Member } from './member.ts';
import type { RoomCounts } from './room-info.ts';

/** Who is in a room: one member per identity. */
export class Members implements Iterable<Member> {
  readonly #byIdentity = new Map<Identity, Member>();
  readonly #bySid = new Map<ParticipantSid, Member>();
  /** How each member counts at the moment. */
  readonly #counted = new Map<Member, Counted>();
  #participants = 0;
  #publishers = 0;

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
    this.recount(member);
  }

  /** Returns false where it is not in, for example because another session has its identity. */
  remove(member: Member): boolean {
    if (!this.#bySid.delete(member.participant.sid)) return false;
    if (this.get(member.participant.identity) === member) this.#byIdentity.delete(member.participant.identity);
    this.#forget(member);
    return true;
  }

  get counts(): RoomCounts {
    return { participants: this.#participants, publishers: this.#publishers };
  }

  /** What it counts as may have changed; nothing happens where it is not in. */
  recount(member: Member): void {
    this.#forget(member);
    const { participant } = member;
    if (this.get(participant.identity) !== member) return;
    const counted = { participant: !isDependent(participant.claims), publisher: participant.isPublisher };
    this.#counted.set(member, counted);
    this.#participants += Number(counted.participant);
    this.#publishers += Number(counted.publisher);
  }

  #forget(member: Member): void {
    const counted = this.#counted.get(member);
    if (counted === undefined) return;
    this.#counted.delete(member);
    this.#participants -= Number(counted.participant);
    this.#publishers -= Number(counted.publisher);
  }
}

interface Counted {
  readonly participant: boolean;
  readonly publisher: boolean;
}
