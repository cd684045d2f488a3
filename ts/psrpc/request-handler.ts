import { createHash } from 'node:crypto';
import type { Message } from '@bufbuild/protobuf';
import { ClaimRequest, ClaimResponse, Request, Response } from '../gen/psrpc_pb.ts';
import type { Bus } from './bus.ts';
import { clientChannel, decisionChannel, requestChannel } from './channel.ts';
import { bytesOf, parse, seal, unseal, wireTime } from './envelope.ts';
import { asRpcError, codeOf, fromWire, serverClosed, toWire } from './failure.ts';
import type { RpcLog } from './log.ts';
import { type AnsweredKind, isClaimed, type Method, type Topic } from './method.ts';
import type { ClaimOutcome, RpcObserver } from './observer.ts';
import type { WireClock } from './wire-clock.ts';

/** One request at its handler. */
export interface RpcCall {
  /** The client's id. */
  readonly remoteId: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborts when the client no longer waits. */
  readonly signal: AbortSignal;
}

export interface HandlerParts {
  readonly bus: Bus;
  readonly serverId: string;
  readonly clock: WireClock;
  readonly log: RpcLog;
  readonly observe: RpcObserver;
}

export interface Answering<Req extends Message<Req>, Res extends Message<Res>> {
  readonly method: Method<Req, Res, AnsweredKind>;
  readonly topic: Topic;
  readonly handler: (request: Req, call: RpcCall) => Promise<Res>;
  readonly affinity: ((request: Req) => number) | undefined;
}

/**
 * One method on one topic. Of each request:
 *
 * ```
 * heard ──(queue: first to claim it)──► (bid ──taken──►) handled ──► answered
 *   └──junk, expired, another's──► dropped  └──not taken──► dropped
 * ```
 */
export class RequestHandler<Req extends Message<Req>, Res extends Message<Res>> {
  readonly #parts: HandlerParts;
  readonly #what: Answering<Req, Res>;
  readonly #labels: { readonly service: string; readonly method: string };
  /** Bids that the client has not decided on, by request. */
  readonly #bids = new Map<string, (serverId: string | undefined) => void>();
  readonly #running = new Set<Promise<void>>();
  #endRequests: (() => Promise<void>) | undefined;
  #endDecisions: (() => Promise<void>) | undefined;
  #onIdle: () => void = () => {};
  #ended = false;

  constructor(parts: HandlerParts, what: Answering<Req, Res>) {
    this.#parts = parts;
    this.#what = what;
    this.#labels = { service: what.method.service, method: what.method.name };
  }

  /** Resolves when requests arrive. `onIdle` is called when it has ended and nothing runs any more. */
  async start(onIdle: () => void): Promise<void> {
    const { bus } = this.#parts;
    const { method, topic } = this.#what;
    this.#onIdle = onIdle;
    try {
      if (isClaimed(method.kind)) {
        const channel = decisionChannel(method, topic);
        this.#endDecisions = await bus.subscribe(channel, (payload) => this.#handleDecision(payload));
      }
      const channel = requestChannel(method, topic);
      this.#endRequests = await bus.subscribe(channel, (payload) => this.#handlePayload(payload));
      if (this.#ended) throw serverClosed();
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** No request begins from now on, but for those that this server has bid for. Idempotent. */
  async end(): Promise<void> {
    this.#ended = true;
    const endRequests = this.#endRequests;
    this.#endRequests = undefined;
    await endRequests?.();
    await this.#wind();
  }

  /** Ends, gives up what it has bid for, and waits for what runs. */
  async close(): Promise<void> {
    const ended = this.end();
    for (const decide of [...this.#bids.values()]) decide(undefined);
    await ended;
    await Promise.all([...this.#running]);
    await this.#wind();
  }

  /** Once ended: lets go of what nothing needs any more. */
  async #wind(): Promise<void> {
    if (!this.#ended) return;
    if (this.#running.size === 0) this.#onIdle();
    if (this.#bids.size > 0) return;
    const endDecisions = this.#endDecisions;
    this.#endDecisions = undefined;
    await endDecisions?.();
  }

  #handleDecision(payload: Uint8Array): void {
    const decision = unseal(payload, ClaimResponse);
    if (decision === undefined) {
      this.#parts.observe.dropped(this.#labels.service, 'junk');
      return;
    }
    this.#bids.get(decision.requestId)?.(decision.serverId);
  }

  #handlePayload(payload: Uint8Array): void {
    const { observe, clock } = this.#parts;
    if (this.#ended) return;
    const request = unseal(payload, Request);
    if (request === undefined) {
      observe.dropped(this.#labels.service, 'junk');
      return;
    }
    const lateMs = clock.lateness(request);
    if (lateMs >= 0) {
      observe.requestExpired(this.#labels, lateMs);
      return;
    }
    if (this.#running.size >= MOST_RUNNING) {
      observe.dropped(this.#labels.service, 'overflow');
      return;
    }
    const run = this.#run(payload, request).catch((error: unknown) =>
      this.#complain(error, 'a request could not be answered'),
    );
    this.#running.add(run);
    run
      .then(() => {
        this.#running.delete(run);
        return this.#wind();
      })
      .catch((error: unknown) => this.#complain(error, 'still subscribed'));
  }

  async #run(payload: Uint8Array, wire: Request): Promise<void> {
    const { method, affinity } = this.#what;
    if (isQueued(method.kind) && !(await this.#isFirst(payload))) return;
    this.#parts.observe.requestReceived(this.#labels);
    const request = parse(wire.rawRequest, method.request);
    if (request === undefined) {
      return this.#answer(wire, toWire(fromWire('malformed_request', `not a ${method.request.typeName}`)));
    }
    if (isClaimed(method.kind)) {
      const bid = affinity === undefined ? 1 : affinity(request);
      // Also where it is not a number.
      if (!(bid >= 0) || !(await this.#isGranted(wire, bid))) return;
    }
    await this.#handle(wire, request);
  }

  /** Servers that hear the same request are told apart by who is first to claim its bytes. */
  async #isFirst(payload: Uint8Array): Promise<boolean> {
    const key = createHash('sha256').update(payload).digest('base64');
    try {
      return await this.#parts.bus.claim(key, QUEUE_CLAIM_MS);
    } catch (error) {
      this.#parts.observe.dropped(this.#labels.service, 'unclaimable');
      throw error;
    }
  }

  async #isGranted(request: Request, affinity: number): Promise<boolean> {
    const { bus, serverId, observe, clock } = this.#parts;
    const { requestId, clientId } = request;
    if (this.#bids.has(requestId)) return false;
    const began = performance.now();
    const outcome = await new Promise<ClaimOutcome>((resolve) => {
      const settle = (outcome: ClaimOutcome) => {
        clearTimeout(timer);
        this.#bids.delete(requestId);
        resolve(outcome);
      };
      const timer = setTimeout(() => settle('timedOut'), clock.remaining(request));
      this.#bids.set(requestId, (chosen) => settle(chosen === serverId ? 'granted' : 'lost'));
      const bid = new ClaimRequest({ requestId, serverId, affinity });
      bus.publish(clientChannel(this.#labels.service, clientId, 'CLAIM'), seal(bid)).catch((error: unknown) => {
        this.#complain(error, 'a server could not bid');
        settle('timedOut');
      });
    });
    observe.claimDecided(this.#labels, outcome, performance.now() - began);
    return outcome === 'granted';
  }

  async #handle(wire: Request, request: Req): Promise<void> {
    const { clock, log } = this.#parts;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), clock.remaining(wire));
    const call = { remoteId: wire.clientId, metadata: { ...wire.metadata }, signal: abort.signal };
    const began = performance.now();
    let answer: Partial<Response>;
    try {
      const rawResponse = bytesOf(await this.#what.handler(request, call));
      this.#done(began, wire.rawRequest.length, rawResponse.length);
      answer = { rawResponse };
    } catch (error) {
      const failure = asRpcError(error);
      if (failure !== error) log.warn({ ...this.#labels, requestID: wire.requestId, error }, 'a handler failed');
      this.#done(began, wire.rawRequest.length, 0, failure);
      answer = toWire(failure);
    } finally {
      clearTimeout(timer);
    }
    await this.#answer(wire, answer);
  }

  #done(began: number, bytesIn: number, bytesOut: number, error?: unknown): void {
    const kind = this.#what.method.kind === 'multi' ? 'multi' : 'rpc';
    this.#parts.observe.requestDone(
      { role: 'server', kind, ...this.#labels },
      {
        ms: performance.now() - began,
        bytesIn,
        bytesOut,
        error: error === undefined ? undefined : codeOf(error),
        responses: 1,
        errors: error === undefined ? 0 : 1,
      },
    );
  }

  async #answer({ requestId, clientId }: Request, answer: Partial<Response>): Promise<void> {
    const { bus, serverId, clock } = this.#parts;
    const response = new Response({ requestId, serverId, sentAt: wireTime(clock.stamp()), ...answer });
    await bus.publish(clientChannel(this.#labels.service, clientId, 'RES'), seal(response));
  }

  #complain(error: unknown, text: string): void {
    this.#parts.log.warn({ ...this.#labels, error }, text);
  }
}

/** What livekit-server reads from a queue; `single` too, although one server listens there. */
function isQueued(kind: AnsweredKind): boolean {
  return kind === 'queue' || kind === 'single';
}

/** As long as livekit-server holds it. */
const QUEUE_CLAIM_MS = 5000;

/** Of one method on one topic. A client that asks for more hears nothing, and asks again. */
const MOST_RUNNING = 10_000;
