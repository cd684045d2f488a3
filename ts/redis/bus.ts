import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Bus, BusHandler } from '../psrpc/bus.ts';
import type { RedisClient } from './client.ts';
import type { RedisConnection } from './connection.ts';
import type { Line } from './line.ts';

interface Channel {
  readonly handlers: Set<BusHandler>;
  /** Settles with Redis's answer to the last word about this channel. Never rejects. */
  settled: Promise<void>;
}

/**
 * The bus over Redis's publish and subscribe, plain, as psrpc uses it: one connection speaks and one listens. Each channel
 * that somebody listens to is asked for again whenever the listening connection is new.
 *
 * Once a second it sends itself a message. When those it sends no longer come back, the two connections have ended up at
 * servers that do not know of each other, after a failover for example, and are made anew.
 */
export class RedisBus implements Bus {
  readonly #redis: RedisConnection;
  readonly #speaker: Line;
  readonly #listener: Line;
  readonly #channels = new Map<string, Channel>();
  readonly #echoChannel = `sluice|echo|${newGuid('')}`;
  readonly #echo: NodeJS.Timeout;
  #heardAt = 0;
  #closed = false;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#speaker = redis.openBusLine(() => {});
    this.#listener = redis.openBusLine((client) => this.#listenAgain(client));
    this.#echo = setInterval(() => this.#sendEcho(), ECHO_MS);
    this.#echo.unref();
    this.subscribe(this.#echoChannel, () => {
      this.#heardAt = performance.now();
    }).catch(() => {});
  }

  /** Whether messages can be sent and heard. */
  get up(): boolean {
    return this.#speaker.ready && this.#listener.ready;
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    this.#assertOpen();
    await this.#speaker.send('publish', channel, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength));
  }

  async subscribe(channel: string, handler: BusHandler): Promise<() => Promise<void>> {
    this.#assertOpen();
    const own: BusHandler = (payload) => handler(payload);
    const known = this.#channels.get(channel);
    if (known === undefined) {
      const settled = this.#say('subscribe', channel);
      this.#channels.set(channel, { handlers: new Set([own]), settled });
      await settled;
    } else {
      known.handlers.add(own);
      await known.settled;
    }
    return () => this.#unsubscribe(channel, own);
  }

  async claim(key: string, lifetimeMs: number): Promise<boolean> {
    this.#assertOpen();
    return (await this.#redis.send('set', key, '1', 'PX', lifetimeMs, 'NX')) !== null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#echo);
    this.#channels.clear();
    this.#speaker.close();
    this.#listener.close();
  }

  async #unsubscribe(channel: string, own: BusHandler): Promise<void> {
    const known = this.#channels.get(channel);
    if (known === undefined || !known.handlers.delete(own) || known.handlers.size > 0) return;
    this.#channels.delete(channel);
    await this.#say('unsubscribe', channel);
  }

  /** While the listener is away there is nobody to tell: what is in the map counts when it is back. */
  async #say(word: 'subscribe' | 'unsubscribe', ...channels: string[]): Promise<void> {
    if (!this.#listener.ready) return;
    try {
      await this.#listener.run((client) => (client as RedisListener)[word](...channels));
    } catch (error) {
      // Either the connection is gone, and the next one asks for all channels, or this makes it go.
      this.#listener.drop(error instanceof Error ? error.message : String(error));
    }
  }

  #listenAgain(client: RedisClient): void {
    this.#heardAt = performance.now();
    client.on('messageBuffer', (channel: Buffer, payload: Buffer) => this.#deliver(channel.toString(), payload));
    const names = [...this.#channels.keys()];
    for (let start = 0; start < names.length; start += CHANNELS_AT_ONCE) {
      const some = names.slice(start, start + CHANNELS_AT_ONCE);
      const settled = this.#say('subscribe', ...some);
      for (const name of some) {
        const channel = this.#channels.get(name);
        if (channel !== undefined) channel.settled = settled;
      }
    }
  }

  #deliver(channel: string, payload: Buffer): void {
    for (const handler of [...(this.#channels.get(channel)?.handlers ?? [])]) handler(payload);
  }

  #sendEcho(): void {
    if (!this.up) {
      this.#heardAt = performance.now();
      return;
    }
    const { client } = this.#listener;
    this.publish(this.#echoChannel, NOTHING).then(
      () => this.#checkEcho(client),
      () => {},
    );
  }

  #checkEcho(client: RedisClient | undefined): void {
    if (this.#closed || client !== this.#listener.client || performance.now() - this.#heardAt < DEAF_MS) return;
    for (const line of [this.#speaker, this.#listener]) line.drop('messages do not come back');
  }

  #assertOpen(): void {
    if (this.#closed) throw new RpcError('unavailable', 'the bus is closed');
  }
}

/** A bus line is always one server's, whose methods for channels return promises. */
interface RedisListener {
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
}

const NOTHING = new Uint8Array();
const ECHO_MS = 1000;
const DEAF_MS = 3500;
const CHANNELS_AT_ONCE = 500;
