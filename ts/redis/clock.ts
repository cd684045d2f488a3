import type { RedisConnection } from './connection.ts';

/**
 * The time of day that all who share a Redis can agree on: Redis's own, read every now and then and carried on by a clock
 * that nobody sets.
 */
export class RedisClock {
  readonly #redis: RedisConnection;
  readonly #timer: NodeJS.Timeout;
  readonly #end: () => void;
  /** Milliseconds since 1970 when this process's clock stood at zero. */
  #origin: number | undefined;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#timer = setInterval(() => this.#read(), INTERVAL_MS);
    this.#timer.unref();
    this.#end = redis.link.onUp(() => this.#read());
    this.#read();
  }

  /** Milliseconds since 1970; `undefined` until Redis has told for the first time. */
  now(): number | undefined {
    return this.#origin === undefined ? undefined : this.#origin + performance.now();
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#end();
  }

  #read(): void {
    if (!this.#redis.link.up) return;
    const asked = performance.now();
    this.#redis.send('time').then(
      (reply) => this.#handle(reply, asked, performance.now()),
      // What was read before goes on.
      () => {},
    );
  }

  #handle(reply: unknown, asked: number, answered: number): void {
    if (!Array.isArray(reply) || (answered - asked > SLOW_MS && this.#origin !== undefined)) return;
    const [seconds, microseconds] = reply.map((part) => Number(String(part)));
    const told = (seconds ?? Number.NaN) * 1000 + (microseconds ?? Number.NaN) / 1000;
    if (Number.isFinite(told)) this.#origin = told - (asked + answered) / 2;
  }
}

const INTERVAL_MS = 10_000;
/** An answer that took this long says less than what is known. */
const SLOW_MS = 500;
