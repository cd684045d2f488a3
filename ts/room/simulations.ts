/** Faults that clients ask for to test themselves (livekit-facts 3.14). */

import { type SimulateScenario, SpeakerInfo } from '@livekit/protocol';
import type { Identity } from '../lib/ids.ts';
import type { CandidatePreference } from '../negotiate/types.ts';
import type { Clock } from './clock.ts';
import type { CloseReason } from './close-reason.ts';
import type { Member } from './member.ts';

export interface SimulatedRoom {
  tellSpeakers(changed: SpeakerInfo[]): void;
  remove(member: Member, reason: CloseReason, sayLeave: boolean): void;
}

/** What to do with the socket of a client that resumes. */
export type ResumeFault = 'none' | 'dropAfterMessages' | 'dropBeforeMessages';

export class Simulations {
  readonly #clock: Clock;
  readonly #room: SimulatedRoom;
  /** Until when the next resume is disturbed. */
  readonly #dropAfter = new Map<Identity, number>();
  readonly #dropBefore = new Map<Identity, { until: number; dropped: number }>();

  constructor(clock: Clock, room: SimulatedRoom) {
    this.#clock = clock;
    this.#room = room;
  }

  run(member: Member, { scenario }: SimulateScenario): void {
    const { identity } = member.participant;
    const until = this.#clock.now() + WINDOW_MS;
    switch (scenario.case) {
      case 'speakerUpdate':
        this.#speak(member.participant.sid, scenario.value);
        break;
      case 'migration':
        this.#room.remove(member, 'simulatedMigration', false);
        break;
      case 'nodeFailure':
        this.#room.remove(member, 'simulatedNodeFailure', false);
        break;
      case 'serverLeave':
        this.#room.remove(member, 'simulatedServerLeave', true);
        break;
      case 'switchCandidateProtocol':
        member.switchCandidates(PREFERENCES[scenario.value] ?? 'any');
        break;
      case 'disconnectSignalOnResume':
        this.#dropAfter.set(identity, until);
        break;
      case 'disconnectSignalOnResumeNoMessages':
        this.#dropBefore.set(identity, { until, dropped: 0 });
        break;
      default:
        // Bandwidth is the media plane's; a full reconnect the client simulates by itself.
        break;
    }
  }

  #speak(sid: string, seconds: number): void {
    this.#room.tellSpeakers([new SpeakerInfo({ sid, level: 0.9, active: true })]);
    this.#clock.after(seconds * 1000, () => {
      this.#room.tellSpeakers([new SpeakerInfo({ sid, level: 0, active: false })]);
    });
  }

  /** Asked once per resume, before anything is sent. */
  resumeFault(identity: Identity): ResumeFault {
    const before = this.#dropBefore.get(identity);
    if (before !== undefined) {
      const expired = this.#clock.now() >= before.until;
      before.dropped += 1;
      if (expired || before.dropped === DROPPED_ATTEMPTS) this.#dropBefore.delete(identity);
      if (!expired) return 'dropBeforeMessages';
    }
    const after = this.#dropAfter.get(identity);
    this.#dropAfter.delete(identity);
    return after !== undefined && this.#clock.now() < after ? 'dropAfterMessages' : 'none';
  }

  forget(identity: Identity): void {
    this.#dropAfter.delete(identity);
    this.#dropBefore.delete(identity);
  }
}

/** By `CandidateProtocol`: UDP leaves everything open. */
const PREFERENCES: readonly CandidatePreference[] = ['any', 'tcp', 'tls'];
/** How long a client may take to resume after it asked for the fault. */
const WINDOW_MS = 5000;
/** The socket side tries as often before it gives up on a first message. */
const DROPPED_ATTEMPTS = 3;
