import type { ClaimRequest, Response } from '../gen/psrpc_pb.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import type { RpcError } from '../lib/rpc-error.ts';
import { canceled, fromWire, timedOut } from './failure.ts';
import type { Waiting } from './inbox.ts';
import { Bids, type Selection } from './selection.ts';

export interface AttemptParts {
  readonly timeoutMs: number;
  /** Of methods whose servers bid. */
  readonly selection: Selection | undefined;
  /** Tells the servers whose bid was taken. */
  readonly decide: (serverId: string) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/**
 * One request until its answer.
 *
 * ```
 * bidding ──a bid taken──► decided ──response──► settled
 *    └────no bid, timeout, abort, an error───────────▲
 * ```
 */
export class Attempt implements Waiting {
  /** The response's bytes. */
  readonly answer: Promise<Uint8Array>;
  readonly #answer: Deferred<Uint8Array> = deferred();
  readonly #bids: Bids | undefined;
  readonly #selection: Selection | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = () => this.fail(canceled());

  constructor({ timeoutMs, selection, decide, signal }: AttemptParts) {
    this.answer = this.#answer.promise;
    this.#selection = selection;
    this.#signal = signal;
    if (selection !== undefined) {
      const choose = (serverId: string) => {
        decide(serverId).catch((error: unknown) => this.fail(error));
      };
      this.#bids = new Bids(selection, timeoutMs, choose, (error) => this.fail(error));
    }
    // Behind the timer of the bids, so that one that waits no longer than they do hears how they ended.
    this.#timer = setTimeout(() => this.fail(timedOut()), timeoutMs);
    signal?.addEventListener('abort', this.#onAbort);
    if (signal?.aborted) this.fail(canceled());
  }

  handleBid({ serverId, affinity }: ClaimRequest): void {
    this.#bids?.add(serverId, affinity);
  }

  handleResponse({ error, code, errorDetails, rawResponse }: Response): void {
    if (error === '') this.#succeed(rawResponse);
    else this.#handleFailure(fromWire(code, error, errorDetails));
  }

  fail(error: unknown): void {
    this.#settle();
    this.#answer.reject(error);
  }

  #handleFailure(failure: RpcError): void {
    // A server that can't read the request answers instead of bidding; another may still be able to.
    if (this.#selection?.accept === 'best' && this.#bids?.open === true) this.#bids.refuse(failure);
    else this.fail(failure);
  }

  #succeed(raw: Uint8Array): void {
    this.#settle();
    this.#answer.resolve(raw);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#bids?.close();
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
