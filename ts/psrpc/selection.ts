import { RpcError } from '../lib/rpc-error.ts';
import { noResponse } from './failure.ts';

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

/** Servers' bids for one request, until one is chosen. */
export class Bids {
  readonly #selection: Selection;
  readonly #choose: (serverId: string) => void;
  readonly #fail: (error: RpcError) => void;
  readonly #timer: NodeJS.Timeout;
  #shortCircuit: NodeJS.Timeout | undefined;
  #count = 0;
  #best: { serverId: string; affinity: number } | undefined;
  /** What a server answered instead of a bid. */
  #refusal: RpcError | undefined;
  #open = true;

  /** Ends after `timeoutMs` at the latest. One of the two is called, once, and neither after `close`. */
  constructor(
    selection: Selection,
    timeoutMs: number,
    choose: (serverId: string) => void,
    fail: (error: RpcError) => void,
  ) {
    this.#selection = selection;
    this.#choose = choose;
    this.#fail = fail;
    this.#timer = setTimeout(() => this.#decide(), Math.min(selection.timeoutMs ?? AFFINITY_TIMEOUT_MS, timeoutMs));
  }

  /** Whether a bid can still be taken. */
  get open(): boolean {
    return this.#open;
  }

  add(serverId: string, affinity: number): void {
    const { accept, minAffinity = 0, maxAffinity = 0, shortCircuitMs = SHORT_CIRCUIT_MS } = this.#selection;
    if (!this.#open) return;
    this.#count += 1;
    if (minAffinity > 0 && affinity < minAffinity) return;
    if (accept === 'first' || (maxAffinity > 0 && affinity >= maxAffinity)) {
      this.close();
      this.#choose(serverId);
      return;
    }
    // Zero does not win: it says that the server would rather not.
    if (affinity > (this.#best?.affinity ?? 0)) this.#best = { serverId, affinity };
    if (shortCircuitMs > 0) this.#shortCircuit ??= setTimeout(() => this.#decide(), shortCircuitMs);
  }

  refuse(error: RpcError): void {
    this.#refusal ??= error;
  }

  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#shortCircuit);
  }

  #decide(): void {
    this.close();
    if (this.#best !== undefined) this.#choose(this.#best.serverId);
    else this.#fail(this.#refusal ?? this.#nobody());
  }

  #nobody(): RpcError {
    if (this.#count === 0) return noResponse();
    return new RpcError('unavailable', `no servers available (received ${this.#count} responses)`);
  }
}

const AFFINITY_TIMEOUT_MS = 1000;
const SHORT_CIRCUIT_MS = 200;
