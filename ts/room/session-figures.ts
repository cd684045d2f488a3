import type { SessionMetrics } from '../metrics/sessions.ts';
import type { Clock } from './clock.ts';
import type { Participant, ParticipantState } from './participant.ts';

/** Counts how far one session comes and how long it takes and lasts. */
export class SessionFigures {
  readonly #metrics: SessionMetrics;
  readonly #clock: Clock;
  readonly #begunAt: number;
  #activeSince: number | undefined;

  constructor(metrics: SessionMetrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.#begunAt = clock.now();
    metrics.reached('rtc_init');
  }

  stateChanged({ state, client }: Participant, from: ParticipantState['name']): void {
    const now = this.#clock.now();
    if (state.name === 'joined') {
      this.#metrics.reached('rtc_connected');
      this.#metrics.joined(client.protocol, now - this.#begunAt);
    } else if (state.name === 'active') {
      this.#activeSince = now;
      this.#metrics.reached('rtc_active');
      this.#metrics.reached('rtc_success');
      this.#metrics.started(client.protocol, now - this.#begunAt);
    } else if (state.name === 'disconnected') {
      if (this.#activeSince !== undefined) this.#metrics.ended(client.protocol, now - this.#activeSince);
      else if (from === 'joined') this.#metrics.reached(state.reason === 'clientLeft' ? 'rtc_canceled' : 'rtc_failure');
    }
  }
}
