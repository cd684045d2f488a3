import type { Message } from '@bufbuild/protobuf';
import { ClaimResponse, Request, type Response, type Stream as WireStream } from '../gen/psrpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { Arrivals } from './arrivals.ts';
import { Attempt } from './attempt.ts';
import type { Bus } from './bus.ts';
import { decisionChannel, requestChannel, streamChannel } from './channel.ts';
import { bytesOf, parse, seal, wireTime } from './envelope.ts';
import { canceled, clientClosed, codeOf, fromWire } from './failure.ts';
import { Inbox } from './inbox.ts';
import type { RpcLog } from './log.ts';
import { isClaimed, type Method, type MethodKind, type Topic, type UnaryKind } from './method.ts';
import { type RpcObserver, unobserved } from './observer.ts';
import { withRetries } from './retry.ts';
import type { Selection } from './selection.ts';
import { type RpcStream, StreamEnd } from './stream.ts';
import { type Clocks, WireClock } from './wire-clock.ts';

export interface RpcClientSettings extends Clocks {
  /** Who asks, as servers are told; a node gives its id. Fresh by default. */
  readonly id?: string;
  /** Milliseconds of the first attempt; 3000 by default. */
  readonly timeoutMs?: number;
  /** Attempts of one call, the first included; 3 by default. */
  readonly maxAttempts?: number;
  /** Milliseconds that each attempt may take longer than the one before; 2000 by default. */
  readonly backoffMs?: number;
  readonly log: RpcLog;
  readonly observe?: RpcObserver;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly maxAttempts?: number;
  readonly backoffMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly affinity?: Selection;
}

/** A method, whatever it carries. */
interface Target {
  readonly service: string;
  readonly name: string;
  readonly kind: MethodKind;
}

/** Calls what servers on the same bus handle (livekit-facts 7). */
export class RpcClient {
  readonly id: string;
  readonly #bus: Bus;
  readonly #settings: Required<Omit<RpcClientSettings, 'id' | keyof Clocks>>;
  readonly #clock: WireClock;
  readonly #inboxes = new Map<string, Inbox>();
  /** Rejects what waits, when the client closes. */
  readonly #waiting = new Set<(error: RpcError) => void>();
  #closing: Promise<void> | undefined;

  constructor(bus: Bus, settings: RpcClientSettings) {
    this.id = settings.id ?? newGuid('CLI_');
    this.#bus = bus;
    this.#settings = { ...DEFAULTS, ...settings };
    this.#clock = new WireClock(settings);
  }

  /** Rejects with the server's `RpcError`: its code, text and details; `unavailable` where no server answers. */
  async call<Req extends Message<Req>, Res extends Message<Res>>(
    method: Method<Req, Res, UnaryKind>,
    topic: Topic,
    request: Req,
    options: CallOptions = {},
  ): Promise<Res> {
    const { observe } = this.#settings;
    const labels = { role: 'client', kind: 'rpc', service: method.service, method: method.name } as const;
    const began = performance.now();
    const raw = bytesOf(request);
    const done = (bytesIn: number, error?: unknown) =>
      observe.requestDone(labels, {
        ms: performance.now() - began,
        bytesIn,
        bytesOut: raw.length,
        error: error === undefined ? undefined : codeOf(error),
        responses: 1,
        errors: error === undefined ? 0 : 1,
      });
    try {
      const policy = { ...this.#settings, ...options };
      const answer = await withRetries(policy, options.signal, (timeoutMs) =>
        this.#attempt(method, topic, raw, timeoutMs, options),
      );
      const response = parse(answer, method.response);
      if (response === undefined) throw malformedResult(method.response.typeName);
      done(answer.length);
      return response;
    } catch (error) {
      done(0, error);
      throw error;
    }
  }

  /**
   * The answers of all servers, until the timeout; the request goes out when the first is asked for. A server's error is
   * logged and left out.
   */
  async *callAll<Req extends Message<Req>, Res extends Message<Res>>(
    method: Method<Req, Res, 'multi'>,
    topic: Topic,
    request: Req,
    options: CallOptions = {},
  ): AsyncGenerator<Res, void, void> {
    const { observe, log } = this.#settings;
    const labels = { role: 'client', kind: 'multi', service: method.service, method: method.name } as const;
    const began = performance.now();
    const raw = bytesOf(request);
    let [responses, errors, bytesIn] = [0, 0, 0];
    let failure: unknown;
    try {
      for await (const { serverId, error, code, errorDetails, rawResponse } of this.#answers(
        method,
        topic,
        raw,
        options,
      )) {
        const response = error === '' ? parse(rawResponse, method.response) : undefined;
        responses += 1;
        bytesIn += rawResponse.length;
        if (response !== undefined) {
          yield response;
          continue;
        }
        errors += 1;
        const reason = error === '' ? malformedResult(method.response.typeName) : fromWire(code, error, errorDetails);
        log.debug({ service: method.service, method: method.name, serverID: serverId, error: reason }, 'no answer');
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      const error = failure === undefined ? undefined : codeOf(failure);
      const ms = performance.now() - began;
      observe.requestDone(labels, { ms, bytesIn, bytesOut: raw.length, error, responses, errors });
    }
  }

  /** A message to all who listen. */
  async publish<Sent extends Message<Sent>>(
    method: Method<Sent, Sent, 'subscription'>,
    topic: Topic,
    message: Sent,
  ): Promise<void> {
    this.#assertOpen();
    await this.#bus.publish(requestChannel(method, topic), seal(message));
  }

  /** Resolves when the server took it; rejects after the timeout. There is one attempt. */
  async openStream<Req extends Message<Req>, Res extends Message<Res>>(
    method: Method<Req, Res, 'stream'>,
    topic: Topic,
    options: CallOptions = {},
  ): Promise<RpcStream<Req, Res>> {
    const { log, observe } = this.#settings;
    const timeoutMs = options.timeoutMs ?? this.#settings.timeoutMs;
    const inbox = this.#inboxOf(method.service);
    if (options.signal?.aborted) throw canceled();
    const id = newGuid('STR_');
    const channel = streamChannel(method, topic);
    const end = new StreamEnd<Req, Res>({
      id,
      remoteId: '',
      metadata: { ...options.metadata },
      receives: method.response,
      timeoutMs,
      publish: async (message: WireStream) => {
        await inbox.hearStreams();
        await this.#bus.publish(channel, seal(message));
      },
      forget: () => inbox.streams.delete(id),
      clock: this.#clock,
      log,
      observe,
      labels: { role: 'client', service: method.service, method: method.name },
    });
    inbox.streams.set(id, end);
    const onAbort = () => end.abandon(canceled());
    options.signal?.addEventListener('abort', onAbort);
    try {
      await end.open(this.id, timeoutMs);
      return end;
    } catch (error) {
      // The server may have taken it and its ack be lost.
      end.close(error instanceof RpcError ? error : undefined);
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Calls that wait reject with `canceled`, streams close. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const reject of [...this.#waiting]) reject(clientClosed());
      await Promise.all([...this.#inboxes.values()].map((inbox) => inbox.close()));
    })();
    return this.#closing;
  }

  /** Resolves with the response's bytes. */
  async #attempt(
    method: Target,
    topic: Topic,
    rawRequest: Uint8Array<ArrayBuffer>,
    timeoutMs: number,
    { signal, metadata, affinity }: CallOptions,
  ): Promise<Uint8Array> {
    const inbox = this.#inboxOf(method.service);
    const request = this.#request(rawRequest, timeoutMs, metadata, false);
    const { requestId } = request;
    const attempt = new Attempt({
      timeoutMs,
      selection: isClaimed(method.kind)
        ? { accept: method.kind === 'queue' ? 'first' : 'best', ...affinity }
        : undefined,
      decide: (serverId) =>
        this.#bus.publish(decisionChannel(method, topic), seal(new ClaimResponse({ requestId, serverId }))),
      signal,
    });
    const reject = (error: RpcError) => attempt.fail(error);
    inbox.calls.set(requestId, attempt);
    this.#waiting.add(reject);
    try {
      this.#ask(inbox, method, topic, request).catch((error: unknown) => attempt.fail(error));
      return await attempt.answer;
    } finally {
      inbox.calls.delete(requestId);
      this.#waiting.delete(reject);
    }
  }

  /** Responses as they come, until the timeout. */
  async *#answers(
    method: Target,
    topic: Topic,
    rawRequest: Uint8Array<ArrayBuffer>,
    { signal, metadata, timeoutMs = this.#settings.timeoutMs }: CallOptions,
  ): AsyncGenerator<Response, void, void> {
    const inbox = this.#inboxOf(method.service);
    const request = this.#request(rawRequest, timeoutMs, metadata, true);
    const came = new Arrivals<Response>();
    const reject = (error: unknown) => came.end(error);
    const onAbort = () => came.end(canceled());
    const timer = setTimeout(() => came.end(), timeoutMs);
    inbox.calls.set(request.requestId, { handleResponse: (response) => came.add(response), handleBid() {} });
    this.#waiting.add(reject);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    try {
      this.#ask(inbox, method, topic, request).catch(reject);
      for (let next = await came.next(); next !== undefined; next = await came.next()) yield next;
    } finally {
      clearTimeout(timer);
      inbox.calls.delete(request.requestId);
      this.#waiting.delete(reject);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #ask(inbox: Inbox, method: Target, topic: Topic, request: Request): Promise<void> {
    await inbox.hearAnswers();
    await this.#bus.publish(requestChannel(method, topic), seal(request));
  }

  #request(
    rawRequest: Uint8Array<ArrayBuffer>,
    timeoutMs: number,
    metadata: Readonly<Record<string, string>> = {},
    multi: boolean,
  ): Request {
    const sentAt = this.#clock.stamp();
    return new Request({
      requestId: newGuid('REQ_'),
      clientId: this.id,
      sentAt: wireTime(sentAt),
      expiry: wireTime(sentAt + timeoutMs),
      multi,
      metadata: { ...metadata },
      rawRequest,
    });
  }

  #inboxOf(service: string): Inbox {
    this.#assertOpen();
    const known = this.#inboxes.get(service);
    if (known !== undefined) return known;
    const { observe } = this.#settings;
    const inbox = new Inbox({ bus: this.#bus, service, clientId: this.id, clock: this.#clock, observe });
    this.#inboxes.set(service, inbox);
    return inbox;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw clientClosed();
  }
}

function malformedResult(typeName: string): RpcError {
  return new RpcError('malformed_result', `not a ${typeName}`);
}

/** As livekit-server's (`psrpc` in its configuration). */
const DEFAULTS = {
  timeoutMs: 3000,
  maxAttempts: 3,
  backoffMs: 2000,
  observe: unobserved,
} as const;
