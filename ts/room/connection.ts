/**
 * Whether a participant's transports and its socket stand, and what follows when they don't (livekit-facts 3.5).
 *
 *     connecting ──ICE──▶ up ──transport failed──▶ failing ──5 s──▶ over
 *         │                ▲                          │
 *         │                └────────resumed───────────┘
 *         └──socket lost, or 1 min without the primary transport──▶ over
 *
 * A lost socket alone ends nothing once ICE has stood: media goes on, and the client comes back.
 */

import type { IceState, PeerCloseReason } from '../media/events.ts';
import type { Clock, Timer } from './clock.ts';
import type { CloseReason } from './close-reason.ts';

export interface ConnectionObserver {
  /** The primary transport stands. */
  established(): void;
  /** Asks the client to resume, and drops its socket so that it notices. */
  askToResume(): void;
  /** Nothing but a new session helps the client. */
  restartSession(reason: CloseReason): void;
  /** The participant is gone. `sayLeave`: where it may still listen. */
  over(reason: CloseReason, sayLeave: boolean): void;
}

type State =
  | { name: 'connecting' }
  | { name: 'up' }
  /** `dead`: a transport is gone for good, so that a resume has nothing to go on with. */
  | { name: 'failing'; timer: Timer; dead: boolean }
  | { name: 'over' };

export class Connection {
  readonly #clock: Clock;
  readonly #observer: ConnectionObserver;
  readonly #watchdog: Timer;
  #state: State = { name: 'connecting' };

  constructor(clock: Clock, observer: ConnectionObserver) {
    this.#clock = clock;
    this.#observer = observer;
    this.#watchdog = clock.after(JOIN_TIMEOUT_MS, () => this.#end(() => observer.over('joinTimeout', true)));
  }

  /** False where a client that wants to resume has to begin anew. */
  get resumable(): boolean {
    return this.#state.name !== 'over' && !(this.#state.name === 'failing' && this.#state.dead);
  }

  iceState(state: IceState): void {
    if (state === 'connected') {
      if (this.#state.name === 'connecting') this.#state = { name: 'up' };
      else if (this.#state.name === 'failing' && !this.#state.dead) this.#recover();
    } else if (state === 'failed') {
      this.#fail(false);
    }
  }

  connected(primary: boolean): void {
    if (this.#state.name === 'connecting') this.#state = { name: 'up' };
    if (!primary || this.#state.name !== 'up') return;
    this.#watchdog.cancel();
    this.#observer.established();
  }

  transportClosed(reason: PeerCloseReason): void {
    switch (reason) {
      case 'remoteClosed':
        this.#fail(true);
        break;
      case 'portsExhausted':
      case 'fingerprintMismatch':
      case 'dtlsFailed':
      case 'internalError':
        this.#end(() => this.#observer.restartSession('negotiationFailed'));
        break;
    }
  }

  socketLost(): void {
    if (this.#state.name === 'connecting') this.#end(() => this.#observer.over('signalClosed', false));
  }

  /** The client came back with a new socket and goes on with its transports. */
  resumed(): void {
    if (this.#state.name === 'failing') this.#recover();
  }

  #recover(): void {
    if (this.#state.name === 'failing') this.#state.timer.cancel();
    this.#state = { name: 'up' };
  }

  #fail(dead: boolean): void {
    if (this.#state.name === 'over') return;
    if (this.#state.name === 'failing') {
      this.#state.dead ||= dead;
      return;
    }
    const timer = this.#clock.after(RESUME_WAIT_MS, () => {
      this.#end(() => this.#observer.over('peerDisconnected', true));
    });
    this.#state = { name: 'failing', timer, dead };
    this.#observer.askToResume();
  }

  #end(then: () => void): void {
    if (this.#state.name === 'over') return;
    this.close();
    then();
  }

  close(): void {
    this.#watchdog.cancel();
    if (this.#state.name === 'failing') this.#state.timer.cancel();
    this.#state = { name: 'over' };
  }
}

/** Whoever joins has this long until its primary transport stands. */
const JOIN_TIMEOUT_MS = 60_000;
/** How long a client whose transport failed may take to resume. */
const RESUME_WAIT_MS = 5000;
