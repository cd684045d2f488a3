import { RpcError } from '../lib/rpc-error.ts';
import type { Bus, BusHandler } from './bus.ts';

/** The bus of a single node: messages go round in this process, on a later turn as they would over a network. */
export class LocalBus implements Bus {
  readonly #channels = new Map<string, Set<BusHandler>>();
  /** Ends of claims by key, in milliseconds of `#now`; oldest first. */
  readonly #claims = new Map<string, number>();
  readonly #now: () => number;
  #closed = false;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    this.#assertOpen();
    const copy = payload.slice();
    setImmediate(() => {
      for (const handler of [...(this.#channels.get(channel) ?? [])]) handler(copy);
    });
  }

  async subscribe(channel: string, handler: BusHandler): Promise<() => Promise<void>> {
    this.#assertOpen();
    const own: BusHandler = (payload) => handler(payload);
    const handlers = this.#channels.get(channel) ?? new Set<BusHandler>();
    this.#channels.set(channel, handlers.add(own));
    return async () => {
      handlers.delete(own);
      if (handlers.size === 0 && this.#channels.get(channel) === handlers) this.#channels.delete(channel);
    };
  }

  async claim(key: string, lifetimeMs: number): Promise<boolean> {
    this.#assertOpen();
    const now = this.#now();
    this.#forgetClaimsThatEnded(now);
    if ((this.#claims.get(key) ?? now) > now) return false;
    this.#claims.delete(key);
    this.#claims.set(key, now + lifetimeMs);
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#channels.clear();
    this.#claims.clear();
  }

  /** Stops at the first that still holds: lifetimes are alike, so what follows is younger. */
  #forgetClaimsThatEnded(now: number): void {
    for (const [key, end] of this.#claims) {
      if (end > now) return;
      this.#claims.delete(key);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new RpcError('unavailable', 'the bus is closed');
  }
}
