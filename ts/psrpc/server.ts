import type { Message } from '@bufbuild/protobuf';
import { RpcError } from '../lib/rpc-error.ts';
import type { Bus } from './bus.ts';
import { requestChannel, streamChannel } from './channel.ts';
import { unseal } from './envelope.ts';
import { serverClosed } from './failure.ts';
import type { RpcLog } from './log.ts';
import type { AnsweredKind, Method, Topic } from './method.ts';
import { type RpcObserver, unobserved } from './observer.ts';
import { type HandlerParts, RequestHandler, type RpcCall } from './request-handler.ts';
import type { RpcStream } from './stream.ts';
import { StreamHandler } from './stream-handler.ts';
import { type Clocks, WireClock } from './wire-clock.ts';

export interface RpcServerSettings extends Clocks {
  /** Who answers, as clients are told; a node gives its id. */
  readonly id: string;
  readonly log: RpcLog;
  readonly observe?: RpcObserver;
  /** Milliseconds that the far side of a stream has for its acks; 3000 by default. */
  readonly timeoutMs?: number;
}

export interface Registration {
  /** No request begins from now on; those that run go on. Idempotent. */
  end(): Promise<void>;
}

export interface HandleOptions<Req> {
  /** The server's bid for a request of an `affinity` method; below zero it makes none. 1 by default. */
  readonly affinity?: (request: Req) => number;
}

/** What a registration stands for. */
interface Handler {
  start(onIdle: () => void): Promise<void>;
  end(): Promise<void>;
  close(): Promise<void>;
}

/** Handles what clients on the same bus call (livekit-facts 7). */
export class RpcServer {
  readonly id: string;
  readonly #parts: HandlerParts;
  readonly #streamTimeoutMs: number;
  /** By the channel that each has for itself. */
  readonly #handlers = new Map<string, Handler>();
  /** Of registrations that ended too, while something of them runs. */
  readonly #open = new Set<Handler>();
  #closing: Promise<void> | undefined;

  constructor(bus: Bus, { id, log, observe = unobserved, timeoutMs, ...clocks }: RpcServerSettings) {
    this.id = id;
    this.#parts = { bus, serverId: id, log, observe, clock: new WireClock(clocks) };
    this.#streamTimeoutMs = timeoutMs ?? STREAM_TIMEOUT_MS;
  }

  /**
   * Answers requests. An `RpcError` that the handler rejects with goes to the client as it is, anything else as `internal`.
   * Rejects with `already_exists` where this method and topic have a handler.
   */
  handle<Req extends Message<Req>, Res extends Message<Res>>(
    method: Method<Req, Res, AnsweredKind>,
    topic: Topic,
    handler: (request: Req, call: RpcCall) => Promise<Res>,
    { affinity }: HandleOptions<Req> = {},
  ): Promise<Registration> {
    const what = { method, topic, handler, affinity };
    return this.#register(requestChannel(method, topic), new RequestHandler(this.#parts, what));
  }

  /** Hears what is published. Many may listen to the same. */
  async listen<Sent extends Message<Sent>>(
    method: Method<Sent, Sent, 'subscription'>,
    topic: Topic,
    listener: (message: Sent) => void,
  ): Promise<Registration> {
    return this.#register(undefined, new Listening(this.#parts, method, topic, listener));
  }

  /** Takes streams; each is open until one side closes it. */
  handleStream<Req extends Message<Req>, Res extends Message<Res>>(
    method: Method<Req, Res, 'stream'>,
    topic: Topic,
    handler: (stream: RpcStream<Res, Req>) => void,
  ): Promise<Registration> {
    const what = { method, topic, handler, timeoutMs: this.#streamTimeoutMs };
    return this.#register(streamChannel(method, topic), new StreamHandler(this.#parts, what));
  }

  /** Ends all registrations, closes streams, and waits for handlers that run, up to 5 s. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #register(key: string | undefined, handler: Handler): Promise<Registration> {
    if (this.#closing !== undefined) throw serverClosed();
    if (key !== undefined && this.#handlers.has(key)) throw new RpcError('already_exists', 'handler already exists');
    const end = () => {
      // At once, so that the same can be registered again while this one winds down.
      if (key !== undefined && this.#handlers.get(key) === handler) this.#handlers.delete(key);
      return handler.end();
    };
    if (key !== undefined) this.#handlers.set(key, handler);
    this.#open.add(handler);
    try {
      await handler.start(() => this.#open.delete(handler));
    } catch (error) {
      if (key !== undefined) this.#handlers.delete(key);
      this.#open.delete(handler);
      throw error;
    }
    return { end };
  }

  async #close(): Promise<void> {
    this.#handlers.clear();
    const closed = Promise.all([...this.#open].map((handler) => handler.close()));
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_LIMIT_MS);
    });
    await Promise.race([closed, limit]);
    clearTimeout(timer);
  }
}

/** One listener of a subscription. */
class Listening<Sent extends Message<Sent>> implements Handler {
  readonly #parts: HandlerParts;
  readonly #method: Method<Sent, Sent, 'subscription'>;
  readonly #topic: Topic;
  readonly #listener: (message: Sent) => void;
  #unsubscribe: (() => Promise<void>) | undefined;
  #onIdle: () => void = () => {};
  #ended = false;

  constructor(
    parts: HandlerParts,
    method: Method<Sent, Sent, 'subscription'>,
    topic: Topic,
    listener: (message: Sent) => void,
  ) {
    this.#parts = parts;
    this.#method = method;
    this.#topic = topic;
    this.#listener = listener;
  }

  async start(onIdle: () => void): Promise<void> {
    this.#onIdle = onIdle;
    const channel = requestChannel(this.#method, this.#topic);
    this.#unsubscribe = await this.#parts.bus.subscribe(channel, (payload) => this.#handlePayload(payload));
    if (!this.#ended) return;
    await this.end();
    throw serverClosed();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#onIdle();
    const unsubscribe = this.#unsubscribe;
    this.#unsubscribe = undefined;
    await unsubscribe?.();
  }

  close(): Promise<void> {
    return this.end();
  }

  #handlePayload(payload: Uint8Array): void {
    const { observe, log } = this.#parts;
    const { service, name, request } = this.#method;
    const message = unseal(payload, request);
    if (message === undefined) {
      observe.dropped(service, 'junk');
      return;
    }
    if (this.#ended) return;
    try {
      this.#listener(message);
    } catch (error) {
      log.warn({ service, method: name, error }, 'a listener failed');
    }
  }
}

const STREAM_TIMEOUT_MS = 3000;
const CLOSE_LIMIT_MS = 5000;
