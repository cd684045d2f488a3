import { Redis } from 'ioredis';
import type { Bus, BusHandler } from '../../../ts/psrpc/bus.ts';

/** A bus over one Redis that is always there: what psrpc needs and nothing else. */
export class PlainBus implements Bus {
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  readonly #handlers = new Map<string, Set<BusHandler>>();

  constructor(url: string) {
    this.#commands = new Redis(url);
    this.#subscriber = new Redis(url);
    this.#subscriber.on('messageBuffer', (channel: Buffer, payload: Buffer) => {
      for (const handler of this.#handlers.get(channel.toString()) ?? []) handler(payload);
    });
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    await this.#commands.publish(channel, Buffer.from(payload));
  }

  async subscribe(channel: string, handler: BusHandler): Promise<() => Promise<void>> {
    const handlers = this.#handlers.get(channel) ?? new Set<BusHandler>();
    this.#handlers.set(channel, handlers);
    // Alone in the set, whoever else has the same function.
    const own: BusHandler = (payload) => handler(payload);
    handlers.add(own);
    await this.#subscriber.subscribe(channel);
    return async () => {
      handlers.delete(own);
      if (handlers.size > 0 || this.#handlers.get(channel) !== handlers) return;
      this.#handlers.delete(channel);
      await this.#subscriber.unsubscribe(channel);
    };
  }

  async claim(key: string, lifetimeMs: number): Promise<boolean> {
    return (await this.#commands.set(key, '1', 'PX', lifetimeMs, 'NX')) === 'OK';
  }

  async close(): Promise<void> {
    this.#commands.disconnect();
    this.#subscriber.disconnect();
  }
}
