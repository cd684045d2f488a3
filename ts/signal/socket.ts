/**
 * One signal connection, from the first try to join until its socket is gone.
 *
 * ```
 * waiting ──open()──► open ──session closes──► draining ──all written, or 250 ms──► closed
 *    │                 ├──bad or too many requests, silence──► leaving ──session closes, or 250 ms──┘
 *    └──abandon()──┐   └──client closes──────────────────────────────────────────────► closed
 *                  └────────────────────────────────────────────────────────────────► closed
 * ```
 * `leaving` still writes what the session says on its way out (livekit-facts 1.7).
 */

import { Pong, type SignalRequest, SignalResponse } from '@livekit/protocol';
import { type Deferred, deferred } from '../lib/deferred.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { decodeRequest, encodeResponse, type Frame, type FrameMode, modeOf, type SharedFrames } from './codec.ts';
import { dispatch } from './dispatch.ts';
import { RequestBudget } from './request-budget.ts';
import type { SignalSession, SignalSink } from './types.ts';

/** What a connection needs of a WebSocket. */
export interface ClientSocket {
  /** `compress`: where both sides can, and it is worth it. */
  send(frame: Frame, compress?: boolean): void;
  ping(): void;
  bufferedBytes(): number;
  close(code: number): void;
  terminate(): void;
}

/** What a connection wants to hear of its WebSocket. */
export interface ClientSocketListener {
  message(frame: Frame): void;
  pong(): void;
  drained(): void;
  closed(code: number): void;
}

/** Hears what became of each message. */
export interface SignalObserver {
  received(result: 'success' | 'failure'): void;
  sent(result: 'success' | 'failure'): void;
}

export interface ConnectionLog {
  debug(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

type State =
  | { readonly name: 'waiting'; readonly queue: SignalResponse[]; readonly ended: boolean }
  | { readonly name: 'open'; readonly socket: ClientSocket; readonly session: SignalSession }
  | { readonly name: 'leaving'; readonly socket: ClientSocket }
  | { readonly name: 'draining'; readonly socket: ClientSocket }
  | { readonly name: 'closed' };

export class SignalConnection implements SignalSink {
  #state: State = { name: 'waiting', queue: [], ended: false };
  #mode: FrameMode = 'binary';
  readonly #frames: SharedFrames;
  readonly #observer: SignalObserver;
  readonly #log: ConnectionLog;
  readonly #first: Deferred<void> = deferred();
  readonly #budget = new RequestBudget();
  #heardAt = 0;
  #pings: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(frames: SharedFrames, observer: SignalObserver, log: ConnectionLog) {
    this.#frames = frames;
    this.#observer = observer;
    this.#log = log;
    // Nobody waits for it once an attempt failed.
    this.#first.promise.catch(() => {});
  }

  /** Resolves when the session has sent its first message; rejects when it closed without one. */
  get firstMessage(): Promise<void> {
    return this.#first.promise;
  }

  send(message: SignalResponse): void {
    this.#write(message, true, (mode) => encodeResponse(message, mode));
  }

  sendShared(message: SignalResponse): void {
    // One encoding serves all, but each would be compressed anew: for thousands that blocks the event loop for seconds.
    this.#write(message, false, (mode) => this.#frames.encode(message, mode));
  }

  close(): void {
    const state = this.#state;
    if (state.name === 'waiting') {
      // A session may say goodbye before its socket is open: the messages go out first.
      if (state.queue.length === 0) this.#first.reject(new RpcError('internal', 'connection closed by media'));
      this.#state = { ...state, ended: true };
    } else if (state.name === 'open' || state.name === 'leaving') {
      this.#drain(state.socket);
    }
  }

  /** The attempt failed: nothing will be written any more. */
  abandon(): void {
    if (this.#state.name === 'waiting') this.#state = { name: 'closed' };
  }

  /** The socket stands: writes what the session sent so far and hears the client from now on. */
  open(socket: ClientSocket, session: SignalSession): ClientSocketListener {
    const before = this.#state;
    this.#state = { name: 'open', socket, session };
    this.#heardAt = Date.now();
    this.#pings = setInterval(() => this.#ping(), PING_INTERVAL_MS);
    this.#awaitSilence(SILENCE_MS);
    if (before.name === 'waiting') {
      for (const message of before.queue) {
        socket.send(encodeResponse(message, this.#mode));
        this.#observer.sent('success');
      }
      if (before.ended) this.#drain(socket);
    }
    return {
      message: (frame) => this.#receive(frame),
      pong: () => {
        this.#heardAt = Date.now();
      },
      drained: () => this.#drained(),
      closed: (code) => this.#closed(code),
    };
  }

  #write(message: SignalResponse, compress: boolean, encode: (mode: FrameMode) => Frame): void {
    const state = this.#state;
    if (state.name === 'waiting') {
      if (state.ended) return;
      state.queue.push(message);
      this.#first.resolve();
    } else if (state.name === 'open' || state.name === 'leaving') {
      state.socket.send(encode(this.#mode), compress);
      this.#observer.sent('success');
    } else {
      this.#observer.sent('failure');
    }
  }

  #receive(frame: Frame): void {
    const state = this.#state;
    if (state.name !== 'open') return;
    this.#heardAt = Date.now();
    if (!this.#budget.spend(this.#heardAt)) {
      this.#observer.received('failure');
      this.#leave('too many signal requests');
      return;
    }
    try {
      this.#mode = modeOf(frame);
      const request = decodeRequest(frame);
      this.#answerPing(request);
      if (!dispatch(state.session, request)) this.#log.debug({}, 'ignoring an unknown signal request');
      this.#observer.received('success');
    } catch (error) {
      this.#observer.received('failure');
      this.#leave('cannot handle a signal request', error);
    }
  }

  /** The node with the socket answers pings, so that they tell nothing about the node with the room. */
  #answerPing({ message }: SignalRequest): void {
    const now = BigInt(Date.now());
    if (message.case === 'ping') {
      this.send(new SignalResponse({ message: { case: 'pong', value: now } }));
    } else if (message.case === 'pingReq') {
      const pong = new Pong({ lastPingTimestamp: message.value.timestamp, timestamp: now });
      this.send(new SignalResponse({ message: { case: 'pongResp', value: pong } }));
    }
  }

  #ping(): void {
    const state = this.#state;
    if (state.name === 'open') state.socket.ping();
  }

  /** A half-open connection says nothing of its end: without any sign of life it is cut. */
  #awaitSilence(ms: number): void {
    this.#silence = setTimeout(() => {
      const state = this.#state;
      if (state.name !== 'open') return;
      const silent = Date.now() - this.#heardAt;
      if (silent < SILENCE_MS) {
        this.#awaitSilence(SILENCE_MS - silent);
      } else {
        this.#log.debug({}, 'signal connection is silent');
        state.socket.terminate();
      }
    }, ms);
  }

  /** Ends a connection because of what the client sent. */
  #leave(reason: string, error?: unknown): void {
    const state = this.#state;
    if (state.name !== 'open') return;
    this.#log.warn({ error: error instanceof Error ? error.message : undefined }, reason);
    this.#state = { name: 'leaving', socket: state.socket };
    this.#stopPings();
    this.#deadline = setTimeout(() => this.#drain(state.socket), FLUSH_MS);
    state.session.closed(false);
  }

  /** Closes behind what is queued, for as long as that is given. */
  #drain(socket: ClientSocket): void {
    clearTimeout(this.#deadline);
    this.#stopPings();
    this.#state = { name: 'draining', socket };
    if (socket.bufferedBytes() === 0) socket.close(NORMAL_CLOSURE);
    else this.#deadline = setTimeout(() => socket.close(NORMAL_CLOSURE), FLUSH_MS);
  }

  #drained(): void {
    if (this.#state.name === 'draining') this.#state.socket.close(NORMAL_CLOSURE);
  }

  #closed(code: number): void {
    const state = this.#state;
    this.#state = { name: 'closed' };
    clearTimeout(this.#deadline);
    this.#stopPings();
    if (state.name === 'open') state.session.closed(CLOSED_BY_CLIENT.has(code));
  }

  #stopPings(): void {
    clearInterval(this.#pings);
    clearTimeout(this.#silence);
  }
}

/** Twice as often as livekit-server, so that an answer has 10 s to come within the time below. */
const PING_INTERVAL_MS = 5000;
/** The `ping_timeout` that clients are told, for them and for us alike (acceptance 31). */
const SILENCE_MS = 15_000;
/** How long messages of the end may take to be written. */
const FLUSH_MS = 250;
const NORMAL_CLOSURE = 1000;
/** 1006 is a connection that broke; the client may come back. */
const CLOSED_BY_CLIENT: ReadonlySet<number> = new Set([1000, 1001, 1005, 1006]);
