import type { Message } from '@bufbuild/protobuf';
import { RpcError } from '../lib/rpc-error.ts';
import type { Bus } from './bus.ts';
import type { RpcLog } from './log.ts';
import type { AnsweredKind, Method, Topic } from './method.ts';
import type { RpcObserver } from './observer.ts';
import type { RpcStream } from './stream.ts';

export interface RpcServerSettings {
  /** Who answers, as clients are told; a node gives its id. */
  readonly id: string;
  readonly log: RpcLog;
  readonly observe?: RpcObserver;
  /** Milliseconds that the far side of a stream has for its acks; 3000 by default. */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** One request at its handler. */
export interface RpcCall {
  /** The client's id. */
  readonly remoteId: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborts when the client no longer waits. */
  readonly signal: AbortSignal;
}

export interface Registration {
  /** No request begins from now on; those that run go on. Idempotent. */
  end(): Promise<void>;
}

export interface HandleOptions<Req> {
  /** The server's bid for a request of an `affinity` method; below zero it makes none. 1 by default. */
  readonly affinity?: (request: Req) => number;
}

export class RpcServer {
  readonly id: string;

  constructor(bus: Bus, settings: RpcServerSettings) {
    this.id = settings.id;
    void bus;
  }

  /**
   * Answers requests. An `RpcError` that the handler rejects with goes to the client as it is, anything else as `internal`.
   * Rejects with `already_exists` where this method and topic have a handler.
   */
  async handle<Req extends Message<Req>, Res extends Message<Res>>(
    _method: Method<Req, Res, AnsweredKind>,
    _topic: Topic,
    _handler: (request: Req, call: RpcCall) => Promise<Res>,
    _options: HandleOptions<Req> = {},
  ): Promise<Registration> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** Hears what is published. */
  async listen<Sent extends Message<Sent>>(
    _method: Method<Sent, Sent, 'subscription'>,
    _topic: Topic,
    _listener: (message: Sent) => void,
  ): Promise<Registration> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** Takes streams; each is open until one side closes it. */
  async handleStream<Req extends Message<Req>, Res extends Message<Res>>(
    _method: Method<Req, Res, 'stream'>,
    _topic: Topic,
    _handler: (stream: RpcStream<Res, Req>) => void,
  ): Promise<Registration> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** Ends all registrations, closes streams, and waits for handlers that run. Idempotent. */
  async close(): Promise<void> {}
}
