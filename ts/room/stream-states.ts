import { StreamState, StreamStateInfo, StreamStateUpdate } from '@livekit/protocol';
import type { Outbox } from './outbox.ts';

type State = 'inactive' | 'active';

/**
 * Tells a subscriber whether its video streams flow: ACTIVE with the first packet, and again with the first one after
 * the subscriber or the publisher had it muted; the muting itself is no news to anybody.
 */
export class StreamStates {
  readonly #outbox: Outbox;
  readonly #states = new Map<string, State>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  started(participantSid: string, trackSid: string): void {
    if (this.#states.get(trackSid) === 'active') return;
    this.#states.set(trackSid, 'active');
    const info = new StreamStateInfo({ participantSid, trackSid, state: StreamState.ACTIVE });
    this.#outbox.send({ case: 'streamStateUpdate', value: new StreamStateUpdate({ streamStates: [info] }) });
  }

  muted(trackSid: string): void {
    this.#states.set(trackSid, 'inactive');
  }

  forget(trackSid: string): void {
    this.#states.delete(trackSid);
  }
}
