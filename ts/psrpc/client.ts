import type { Message } from '@bufbuild/protobuf';
import { RpcError } from '../lib/rpc-error.ts';
import type { Bus } from './bus.ts';
import type { RpcLog } from './log.ts';
import type { Method, Topic, UnaryKind } from './method.ts';
import type { RpcObserver } from './observer.ts';
import type { RpcStream } from './stream.ts';

export interface RpcClientSettings {
  /** Who asks, as servers are told; a node gives its id. Fresh by default. */
  readonly id?: string;
  /** Milliseconds of the first attempt. */
  readonly timeoutMs: number;
  /** Attempts of one call, the first included. */
  readonly maxAttempts: number;
  /** Milliseconds that each attempt may take longer than the one before. */
  readonly backoffMs: number;
  readonly log: RpcLog;
  readonly observe?: RpcObserver;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly maxAttempts?: number;
  readonly backoffMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly affinity?: Selection;
}

/** How a client chooses between servers that bid. */
export interface Selection {
  /** Milliseconds for bids; 1000 by default. */
  readonly timeoutMs?: number;
  /** Milliseconds for more bids after the first; 200 by default. */
  readonly shortCircuitMs?: number;
  /** `first` takes whoever bids first, `best` (the default of `affinity` methods) waits for others. */
  readonly accept?: 'first' | 'best';
  /** Less is no bid. */
  readonly minAffinity?: number;
  /** At least this is taken at once. */
  readonly maxAffinity?: number;
}

export class RpcClient {
  readonly id: string;

  constructor(bus: Bus, settings: RpcClientSettings) {
    this.id = settings.id ?? '';
    void bus;
  }

  /** Rejects with the server's `RpcError`: its code, text and details; `unavailable` where no server answers. */
  async call<Req extends Message<Req>, Res extends Message<Res>>(
    _method: Method<Req, Res, UnaryKind>,
    _topic: Topic,
    _request: Req,
    _options: CallOptions = {},
  ): Promise<Res> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** The answers of all servers, until the timeout. A server's error is logged and left out. */
  // biome-ignore lint/correctness/useYield: about to be written
  async *callAll<Req extends Message<Req>, Res extends Message<Res>>(
    _method: Method<Req, Res, 'multi'>,
    _topic: Topic,
    _request: Req,
    _options: CallOptions = {},
  ): AsyncGenerator<Res, void, void> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** A message to all who listen. */
  async publish<Sent extends Message<Sent>>(
    _method: Method<Sent, Sent, 'subscription'>,
    _topic: Topic,
    _message: Sent,
  ): Promise<void> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** Resolves when the server took it; rejects after the timeout. There is one attempt. */
  async openStream<Req extends Message<Req>, Res extends Message<Res>>(
    _method: Method<Req, Res, 'stream'>,
    _topic: Topic,
    _options: CallOptions = {},
  ): Promise<RpcStream<Req, Res>> {
    throw new RpcError('unimplemented', 'not yet');
  }

  /** Calls that wait reject with `canceled`, streams close. Idempotent. */
  async close(): Promise<void> {}
}
