import type { Bus } from './types.ts';

type Handler = (payload: Uint8Array) => void;

/** The bus of a single node: messages go round in this process, on a later turn as they would over a network. */
export class LocalBus implements Bus {
  readonly #channels = new Map<string, Set<Handler>>();
  #closed = false;

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    this.#assertOpen();
    const copy = payload.slice();
    setImmediate(() => {
      for (const handler of [...(this.#channels.get(channel) ?? [])]) handler(copy);
    });
  }

  async subscribe(channel: string, handler: Handler): Promise<() => Promise<void>> {
    this.#assertOpen();
    const own: Handler = (payload) => handler(payload);
    const handlers = this.#channels.get(channel) ?? new Set<Handler>();
    this.#channels.set(channel, handlers.add(own));
    return async () => {
      handlers.delete(own);
      if (handlers.size === 0 && this.#channels.get(channel) === handlers) this.#channels.delete(channel);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#channels.clear();
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('the bus is closed');
  }
}
