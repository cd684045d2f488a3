import type { Message } from '@bufbuild/protobuf';
import { type StreamOpen, Stream as WireStream } from '../gen/psrpc_pb.ts';
import { clientChannel, streamChannel } from './channel.ts';
import { seal, unseal } from './envelope.ts';
import { asRpcError, serverClosed, streamEnded } from './failure.ts';
import type { Method, Topic } from './method.ts';
import type { HandlerParts } from './request-handler.ts';
import { type RpcStream, StreamEnd } from './stream.ts';

export interface Streaming<Req extends Message<Req>, Res extends Message<Res>> {
  readonly method: Method<Req, Res, 'stream'>;
  readonly topic: Topic;
  readonly handler: (stream: RpcStream<Res, Req>) => void;
  /** Milliseconds that clients have for their acks. */
  readonly timeoutMs: number;
}

/** The streams of one method on one topic. */
export class StreamHandler<Req extends Message<Req>, Res extends Message<Res>> {
  readonly #parts: HandlerParts;
  readonly #what: Streaming<Req, Res>;
  readonly #streams = new Map<string, StreamEnd<Res, Req>>();
  #unsubscribe: (() => Promise<void>) | undefined;
  #onIdle: () => void = () => {};
  #ended = false;

  constructor(parts: HandlerParts, what: Streaming<Req, Res>) {
    this.#parts = parts;
    this.#what = what;
  }

  /** Resolves when streams can be opened. `onIdle` is called when it has ended and no stream is open any more. */
  async start(onIdle: () => void): Promise<void> {
    this.#onIdle = onIdle;
    const { method, topic } = this.#what;
    const channel = streamChannel(method, topic);
    this.#unsubscribe = await this.#parts.bus.subscribe(channel, (payload) => this.#handlePayload(payload));
    if (!this.#ended) return;
    await this.#stopWhenEmpty();
    throw serverClosed();
  }

  /** No stream is taken from now on; those that are open stay so. Idempotent. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#stopWhenEmpty();
  }

  async close(): Promise<void> {
    this.#ended = true;
    for (const stream of [...this.#streams.values()]) stream.abandon(streamEnded());
    await this.#stopWhenEmpty();
  }

  async #stopWhenEmpty(): Promise<void> {
    if (!this.#ended || this.#streams.size > 0) return;
    this.#onIdle();
    const unsubscribe = this.#unsubscribe;
    this.#unsubscribe = undefined;
    await unsubscribe?.();
  }

  #handlePayload(payload: Uint8Array): void {
    const { clock, observe } = this.#parts;
    const { service, name } = this.#what.method;
    const message = unseal(payload, WireStream);
    if (message === undefined) {
      observe.dropped(service, 'junk');
      return;
    }
    const lateMs = clock.lateness(message);
    if (lateMs >= 0) {
      observe.requestExpired({ service, method: name }, lateMs);
      return;
    }
    const stream = this.#streams.get(message.streamId);
    if (message.body.case === 'open') {
      if (stream === undefined && !this.#ended) this.#take(message, message.body.value);
    } else if (stream === undefined) observe.dropped(service, 'late');
    else stream.handle(message);
  }

  #take({ streamId, requestId, sentAt, expiry }: WireStream, { nodeId, metadata }: StreamOpen): void {
    const { bus, clock, log, observe } = this.#parts;
    const { method, timeoutMs, handler } = this.#what;
    const labels = { role: 'server', service: method.service, method: method.name } as const;
    const channel = clientChannel(method.service, nodeId, 'STR');
    const stream = new StreamEnd<Res, Req>({
      id: streamId,
      remoteId: nodeId,
      metadata: { ...metadata },
      receives: method.request,
      timeoutMs,
      publish: (message) => bus.publish(channel, seal(message)),
      forget: () => {
        this.#streams.delete(streamId);
        this.#stopWhenEmpty().catch((error: unknown) => log.warn({ ...labels, error }, 'still subscribed'));
      },
      clock,
      log,
      observe,
      labels,
    });
    this.#streams.set(streamId, stream);
    stream.ack(requestId, sentAt, expiry);
    try {
      handler(stream);
    } catch (error) {
      log.warn({ ...labels, streamID: streamId, error }, 'a stream could not be taken');
      stream.close(asRpcError(error));
    }
  }
}
