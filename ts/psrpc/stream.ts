import type { Message, MessageType } from '@bufbuild/protobuf';
import { Stream as WireStream } from '../gen/psrpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import type { RpcError } from '../lib/rpc-error.ts';
import { bytesOf, parse, wireTime } from './envelope.ts';
import { codeOf, fromWire, isStreamClosed, streamClosed, timedOut, toWire } from './failure.ts';
import type { RpcLog } from './log.ts';
import type { RpcObserver, StreamLabels } from './observer.ts';
import type { WireClock } from './wire-clock.ts';

/** Messages both ways between a client and a server until one of them closes. */
export interface RpcStream<Send extends Message<Send>, Receive extends Message<Receive>> {
  /** What the client told the server when it opened the stream. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The client's id, as the server hears it; for the client itself `''`. */
  readonly remoteId: string;
  /**
   * Resolves when the far side has the message; rejects after the timeout in milliseconds (by default the stream's own), or
   * when the stream ends first.
   */
  send(message: Send, timeoutMs?: number): Promise<void>;
  /**
   * Messages that came before are kept until this is called, up to a bound, and then told first. `onClosed` is called
   * once, whichever side closed: with what went wrong, or with nothing where the stream was simply ended.
   */
  listen(onMessage: (message: Receive) => void, onClosed: (error: RpcError | undefined) => void): void;
  /** Tells the far side. Idempotent. What was sent before may still be acknowledged, unless there is an error. */
  close(error?: RpcError): void;
}

export interface StreamEndParts<Receive extends Message<Receive>> {
  readonly id: string;
  readonly remoteId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly receives: MessageType<Receive>;
  /** Milliseconds that the far side has for an ack. */
  readonly timeoutMs: number;
  readonly publish: (message: WireStream) => Promise<void>;
  /** Nothing more is expected: later messages are for nobody. */
  readonly forget: () => void;
  readonly clock: WireClock;
  readonly log: RpcLog;
  readonly observe: RpcObserver;
  readonly labels: StreamLabels;
}

interface Listener<Receive> {
  onMessage(message: Receive): void;
  onClosed(error: RpcError | undefined): void;
}

/**
 * One end of a stream; both ends are alike.
 *
 * ```
 * open ──close()──► closing ──last ack or timeout──► forgotten
 *   └───the far side closes───────────────────────────────▲
 * ```
 */
export class StreamEnd<Send extends Message<Send>, Receive extends Message<Receive>>
  implements RpcStream<Send, Receive>
{
  readonly #parts: StreamEndParts<Receive>;
  /** What waits for an ack, by request id. */
  readonly #unacked = new Map<string, (error?: unknown) => void>();
  #state: 'open' | 'closing' | 'forgotten' = 'open';
  #listener: Listener<Receive> | undefined;
  #kept: Receive[] = [];
  #cause: RpcError | undefined;

  constructor(parts: StreamEndParts<Receive>) {
    this.#parts = parts;
    parts.observe.streamOpened(parts.labels);
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#parts.metadata;
  }

  get remoteId(): string {
    return this.#parts.remoteId;
  }

  /** Of a client: asks the server to take the stream. Resolves at its ack. */
  open(clientId: string, timeoutMs: number): Promise<void> {
    const value = { nodeId: clientId, metadata: this.#parts.metadata };
    return this.#exchange({ case: 'open', value }, timeoutMs);
  }

  async send(message: Send, timeoutMs = this.#parts.timeoutMs): Promise<void> {
    const { observe, labels } = this.#parts;
    if (this.#cause !== undefined) throw this.#cause;
    const rawMessage = bytesOf(message);
    const began = performance.now();
    try {
      await this.#exchange({ case: 'message', value: { rawMessage } }, timeoutMs);
      observe.streamSent(labels, performance.now() - began, rawMessage.length, undefined);
    } catch (error) {
      observe.streamSent(labels, performance.now() - began, rawMessage.length, codeOf(error));
      throw error;
    }
  }

  listen(onMessage: (message: Receive) => void, onClosed: (error: RpcError | undefined) => void): void {
    this.#listener = { onMessage, onClosed };
    const kept = this.#kept;
    this.#kept = [];
    for (const message of kept) this.#tell(message);
    if (this.#cause !== undefined) this.#tellClosed(this.#cause);
  }

  close(error?: RpcError): void {
    if (this.#state !== 'open') return;
    const cause = error ?? streamClosed();
    this.#state = 'closing';
    const { code, error: text } = toWire(cause);
    const body = { case: 'close', value: { code, error: text } } as const;
    this.#publish(newGuid('REQ_'), body, this.#parts.timeoutMs);
    if (error !== undefined) this.#settleAll(error);
    this.#forgetWhenAcked();
    this.#closed(cause);
  }

  /** Closes, and waits for no ack any more. */
  abandon(error?: RpcError): void {
    this.close(error);
    this.#settleAll(this.#cause);
  }

  /** A message from the far side that is in time. Does not throw. */
  handle({ requestId, sentAt, expiry, body }: WireStream): void {
    switch (body.case) {
      case 'ack':
        this.#unacked.get(requestId)?.();
        return;
      case 'message':
        if (this.#take(body.value.rawMessage)) this.ack(requestId, sentAt, expiry);
        return;
      case 'close':
        this.#handleClose(fromWire(body.value.code, body.value.error));
        return;
    }
  }

  /** Tells the far side that its request arrived, with the times of that. */
  ack(requestId: string, sentAt: bigint, expiry: bigint): void {
    const { id, publish } = this.#parts;
    const ack = new WireStream({ streamId: id, requestId, sentAt, expiry, body: { case: 'ack', value: {} } });
    publish(ack).catch((error: unknown) => this.#complain('debug', error, 'a stream message was not acknowledged'));
  }

  /** Whether the message is with whoever reads; what is not acknowledged the far side may send again. */
  #take(raw: Uint8Array): boolean {
    const { receives, observe, labels } = this.#parts;
    if (this.#state !== 'open') return false;
    const message = parse(raw, receives);
    if (message === undefined) {
      observe.dropped(labels.service, 'junk');
      this.close(fromWire('malformed_request', `not a ${receives.typeName}`));
      return false;
    }
    if (this.#listener === undefined && this.#kept.length >= MOST_KEPT) {
      observe.dropped(labels.service, 'overflow');
      return false;
    }
    observe.streamReceived(labels, raw.length);
    if (this.#listener === undefined) this.#kept.push(message);
    else this.#tell(message);
    return true;
  }

  #handleClose(cause: RpcError): void {
    if (this.#state === 'forgotten') return;
    this.#state = 'forgotten';
    this.#settleAll(cause);
    this.#parts.forget();
    this.#closed(cause);
  }

  /** The first cause stands. */
  #closed(cause: RpcError): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    const { observe, labels } = this.#parts;
    observe.streamClosed(labels);
    this.#tellClosed(cause);
  }

  #settleAll(error: unknown): void {
    for (const settle of [...this.#unacked.values()]) settle(error);
  }

  #forgetWhenAcked(): void {
    if (this.#state !== 'closing' || this.#unacked.size > 0) return;
    this.#state = 'forgotten';
    this.#parts.forget();
  }

  /** Sends and waits for the ack. */
  #exchange(body: Body, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const requestId = newGuid('REQ_');
      const settle = (error?: unknown) => {
        clearTimeout(timer);
        this.#unacked.delete(requestId);
        if (error === undefined) resolve();
        else reject(error);
        this.#forgetWhenAcked();
      };
      const timer = setTimeout(() => settle(timedOut()), timeoutMs);
      this.#unacked.set(requestId, settle);
      this.#publish(requestId, body, timeoutMs, settle);
    });
  }

  #publish(requestId: string, body: Body, timeoutMs: number, onError?: (error: unknown) => void): void {
    const { id, publish, clock } = this.#parts;
    const sentAt = clock.stamp();
    const times = { sentAt: wireTime(sentAt), expiry: wireTime(sentAt + timeoutMs) };
    const failed =
      onError ?? ((error: unknown) => this.#complain('debug', error, 'a stream was not closed at the far side'));
    publish(new WireStream({ streamId: id, requestId, ...times, body })).catch(failed);
  }

  #tell(message: Receive): void {
    try {
      this.#listener?.onMessage(message);
    } catch (error) {
      this.#complain('warn', error, 'a stream message could not be handled');
    }
  }

  #tellClosed(cause: RpcError): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    // Once, and nothing after it.
    this.#listener = { onMessage() {}, onClosed() {} };
    try {
      listener.onClosed(isStreamClosed(cause) ? undefined : cause);
    } catch (error) {
      this.#complain('warn', error, 'the end of a stream could not be handled');
    }
  }

  #complain(level: 'debug' | 'warn', error: unknown, text: string): void {
    const { id, labels, log } = this.#parts;
    log[level]({ service: labels.service, method: labels.method, streamID: id, error }, text);
  }
}

type Body = NonNullable<ConstructorParameters<typeof WireStream>[0]>['body'] & object;

/** Messages that nobody reads yet; as many as livekit-server keeps (`psrpc.buffer_size`). */
const MOST_KEPT = 1000;
