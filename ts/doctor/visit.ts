/**
 * A visit: joins a room of its own over the real signal connection, offers a data channel, learns how the server can be
 * reached, and leaves.
 *
 *     connecting ──join──▶ joined ──answer, candidates──▶ described ──leave──▶ gone
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ICEServer,
  type JoinResponse,
  LeaveRequest,
  LeaveRequest_Action,
  Ping,
  type Pong,
  SessionDescription,
  SignalRequest,
  SignalResponse,
  SignalTarget,
} from '@livekit/protocol';
import { type RawData, WebSocket } from 'ws';
import { deferred } from '../lib/deferred.ts';
import { type Answer, type LocalIce, newIce, readAnswer, readCandidate, writeOffer } from './offer.ts';
import { withoutTokens } from './running.ts';

export interface VisitOptions {
  /** `ws://…` or `wss://…`, without a path. */
  url: string;
  token: string;
  /** PEM of the roots to trust; undefined takes any certificate. */
  roots: readonly string[] | undefined;
  /** Of the prober's certificate. */
  fingerprint: string;
  timeoutMs: number;
}

/** The server said no. */
export class VisitError extends Error {
  override name = 'VisitError';
  /** HTTP status, 0 where there was no HTTP. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Visit {
  readonly local: LocalIce;
  readonly iceServers: readonly ICEServer[];
  readonly answer: Answer;
  /** Milliseconds that our clock is behind the server's; undefined where it did not tell. */
  readonly clockOffsetMs: number | undefined;
  readonly #socket: WebSocket;
  readonly #pings: NodeJS.Timeout;

  private constructor(signal: Signal, local: LocalIce, join: JoinResponse, answer: Answer, offset: number | undefined) {
    this.#socket = signal.socket;
    this.local = local;
    this.iceServers = join.iceServers;
    this.answer = answer;
    this.clockOffsetMs = offset;
    this.#pings = setInterval(() => signal.ping(), PING_MS);
    this.#pings.unref();
  }

  /** Rejects with `VisitError`. */
  static async begin(options: VisitOptions): Promise<Visit> {
    const signal = new Signal(options);
    try {
      const deadline = Date.now() + options.timeoutMs;
      const join = await signal.within(deadline, signal.joined, 'the server did not let us in');
      const local = newIce();
      const offset = signal.clockOffset();
      signal.send({
        case: 'offer',
        value: new SessionDescription({ type: 'offer', sdp: writeOffer(local, options.fingerprint), id: 1 }),
      });
      const sdp = await signal.within(deadline, signal.answered, 'the server did not answer the offer');
      const answer = readAnswer(sdp);
      await signal.within(deadline, signal.gathered(), 'the server did not name its candidates');
      const candidates = [...answer.candidates, ...signal.candidates];
      const offsetMs = await Promise.race([offset, sleep(CLOCK_PATIENCE_MS, undefined)]);
      return new Visit(signal, local, join, { ...answer, candidates }, offsetMs);
    } catch (error) {
      signal.close();
      throw error instanceof VisitError ? error : new VisitError(0, (error as Error).message);
    }
  }

  /** Idempotent. */
  async leave(): Promise<void> {
    clearInterval(this.#pings);
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const message = new LeaveRequest({ canReconnect: false, action: LeaveRequest_Action.DISCONNECT });
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.send(new SignalRequest({ message: { case: 'leave', value: message } }).toBinary());
    this.#socket.close();
    await Promise.race([closed, sleep(LEAVE_MS, undefined, { ref: false })]);
    this.#socket.terminate();
  }
}

/** The connection, and what has come over it. */
class Signal {
  readonly socket: WebSocket;
  readonly candidates: Answer['candidates'] = [];
  readonly #join = deferred<JoinResponse>();
  readonly #answer = deferred<string>();
  readonly #pong = deferred<Pong>();
  readonly #failure = deferred<never>();
  #final = false;
  #heardAt = 0;

  constructor({ url, token, roots, timeoutMs }: VisitOptions) {
    const query = new URLSearchParams({
      access_token: token,
      auto_subscribe: '0',
      protocol: PROTOCOL,
      sdk: 'js',
      version: '2.15.0',
    });
    const tls = roots === undefined ? { rejectUnauthorized: false } : { ca: [...roots] };
    this.socket = new WebSocket(`${url}/rtc?${query}`, { handshakeTimeout: timeoutMs, ...tls });
    this.socket.on('message', (data: RawData) => this.#take(data));
    this.socket.on('error', (error) => this.#fail(0, (error as NodeJS.ErrnoException).message));
    this.socket.on('close', (code) => this.#fail(0, `the server closed the connection (${code})`));
    this.socket.on('unexpected-response', (request, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        if (body.length < MAX_REASON) body += text;
      });
      response.on('end', () => this.#fail(response.statusCode ?? 0, withoutTokens(body)));
      response.on('close', () => request.destroy());
    });
    // Whoever waits hears of it; nobody may be waiting.
    for (const { promise } of [this.#failure, this.#join, this.#answer, this.#pong]) promise.catch(() => {});
  }

  get joined(): Promise<JoinResponse> {
    return this.#join.promise;
  }

  get answered(): Promise<string> {
    return this.#answer.promise;
  }

  /** Until the last candidate, or until no more came for a while. */
  async gathered(): Promise<void> {
    this.#heardAt = Date.now();
    while (!this.#final && Date.now() - this.#heardAt < QUIET_MS) await sleep(TICK_MS);
  }

  /** Milliseconds that our clock is behind the server's. */
  async clockOffset(): Promise<number> {
    const sent = Date.now();
    this.ping();
    const { timestamp } = await this.#pong.promise;
    return Number(timestamp) - (sent + Date.now()) / 2;
  }

  ping(): void {
    this.send({ case: 'pingReq', value: new Ping({ timestamp: BigInt(Date.now()), rtt: 0n }) });
  }

  send(message: SignalRequest['message']): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(new SignalRequest({ message }).toBinary());
  }

  async within<T>(deadline: number, promise: Promise<T>, complaint: string): Promise<T> {
    const timer = new AbortController();
    const late = sleep(Math.max(0, deadline - Date.now()), undefined, { signal: timer.signal }).then(() => {
      throw new VisitError(0, `${complaint} in time`);
    });
    late.catch(() => {});
    try {
      return await Promise.race([promise, late, this.#failure.promise]);
    } finally {
      timer.abort();
    }
  }

  close(): void {
    this.socket.terminate();
  }

  #take(data: RawData): void {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : new Uint8Array(data as ArrayBuffer);
    const { message } = SignalResponse.fromBinary(bytes);
    switch (message.case) {
      case 'join':
        this.#join.resolve(message.value);
        break;
      case 'answer':
        this.#answer.resolve(message.value.sdp);
        break;
      case 'trickle':
        this.#heardAt = Date.now();
        if (message.value.target !== SignalTarget.PUBLISHER) break;
        this.candidates.push(...readCandidate(message.value.candidateInit));
        this.#final ||= message.value.final;
        break;
      case 'pongResp':
        this.#pong.resolve(message.value);
        break;
      case 'leave':
        this.#fail(0, `the server asked us to leave (reason ${message.value.reason})`);
        break;
    }
  }

  #fail(status: number, reason: string): void {
    this.#failure.reject(new VisitError(status, reason));
  }
}

/** Of clients that know two peer connections and nothing newer that would matter here. */
const PROTOCOL = '15';
const PING_MS = 4000;
const LEAVE_MS = 1000;
/** After the answer or the last candidate, for servers that mark none as the last. */
const QUIET_MS = 700;
const TICK_MS = 20;
const CLOCK_PATIENCE_MS = 500;
const MAX_REASON = 2000;
