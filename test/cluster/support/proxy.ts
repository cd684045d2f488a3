/**
 * A TCP proxy in front of Redis for one node, so that what lies between the two can be cut, stalled or slow without touching
 * networks of the machine.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, connect as open, type Server, type Socket } from 'node:net';

export type Direction = 'up' | 'down';
/** `up` is to Redis, `down` is from it. */
const BOTH: readonly Direction[] = ['up', 'down'];

/** Which connections a fault is about: `subscriptions` are those that sent a SUBSCRIBE. */
export type Scope = 'all' | 'subscriptions';

export class RedisProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #target: number;
  readonly #links = new Set<Link>();
  #refusing = false;
  readonly #stalled: Record<Direction, Scope | undefined> = { up: undefined, down: undefined };
  readonly #delays: Record<Direction, number> = { up: 0, down: 0 };

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** In front of this port of the loopback interface. */
  static async start(target: number): Promise<RedisProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RedisProxy(server, target);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Connections break, and new ones break at once. */
  cut(): void {
    this.#refusing = true;
    for (const link of this.#links) link.close();
  }

  /** Connections stay and nothing passes, as behind a firewall that drops. */
  stall(directions: readonly Direction[] = BOTH, scope: Scope = 'all'): void {
    for (const direction of directions) this.#stalled[direction] = scope;
  }

  /** Every byte comes so many milliseconds later. */
  delay(milliseconds: number, directions: readonly Direction[] = BOTH): void {
    for (const direction of directions) this.#delays[direction] = milliseconds;
  }

  /** Everything passes again, what was held back too. */
  heal(): void {
    this.#refusing = false;
    for (const direction of BOTH) {
      this.#stalled[direction] = undefined;
      this.#delays[direction] = 0;
    }
    for (const link of this.#links) link.release();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    if (this.#refusing) {
      socket.destroy();
      return;
    }
    const link = new Link(socket, open(this.#target, '127.0.0.1'), {
      holds: (direction, subscribed) => {
        const scope = this.#stalled[direction];
        return scope === 'all' || (scope === 'subscriptions' && subscribed);
      },
      delay: (direction) => this.#delays[direction],
      ended: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

interface Weather {
  holds(direction: Direction, subscribed: boolean): boolean;
  delay(direction: Direction): number;
  ended(): void;
}

/** One connection through the proxy: bytes leave in the order in which they came. */
class Link {
  readonly #ends: Record<Direction, Socket>;
  readonly #weather: Weather;
  /** What waits for its time, by where it goes. */
  readonly #queues: Record<Direction, { bytes: Buffer; due: number }[]> = { up: [], down: [] };
  #subscribed = false;
  #closed = false;

  constructor(client: Socket, redis: Socket, weather: Weather) {
    // By where bytes go to.
    this.#ends = { up: redis, down: client };
    this.#weather = weather;
    for (const [from, direction] of [[client, 'up'] as const, [redis, 'down'] as const]) {
      from.setNoDelay(true);
      from.on('data', (bytes: Buffer) => this.#pass(direction, bytes));
      from.on('error', () => {});
      from.on('close', () => this.close());
    }
  }

  /** Sends what is due; called when the weather changed too. */
  release(): void {
    for (const direction of BOTH) this.#flush(direction);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ends.up.destroy();
    this.#ends.down.destroy();
    this.#weather.ended();
  }

  #pass(direction: Direction, bytes: Buffer): void {
    if (direction === 'up' && /subscribe\r\n/i.test(bytes.toString('latin1'))) this.#subscribed = true;
    const delay = this.#weather.delay(direction);
    this.#queues[direction].push({ bytes, due: performance.now() + delay });
    if (delay === 0) this.#flush(direction);
    else setTimeout(() => this.#flush(direction), delay).unref();
  }

  #flush(direction: Direction): void {
    if (this.#closed || this.#weather.holds(direction, this.#subscribed)) return;
    const queue = this.#queues[direction];
    // Timers fire up to a millisecond early. Without a delay now, what an earlier one held is late enough.
    const now = this.#weather.delay(direction) === 0 ? Number.POSITIVE_INFINITY : performance.now() + 2;
    while (queue[0] !== undefined && queue[0].due <= now) this.#ends[direction].write(queue.shift()?.bytes ?? '');
  }
}
