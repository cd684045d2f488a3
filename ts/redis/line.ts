import type { RpcError } from '../lib/rpc-error.ts';
import type { RedisClient } from './client.ts';
import { asRpcError, notAvailable } from './failure.ts';

export interface LineParts {
  /** A client that has begun to connect, and that does not come back by itself. */
  readonly open: (attempt: number) => RedisClient;
  /** How long it may take to come up, in milliseconds. */
  readonly attemptMs: number;
  readonly commandMs: number;
  /** Asked every second, and four times a second while it rejects. */
  readonly probe: (client: RedisClient) => Promise<unknown>;
  /** How long a probe may be without an answer before the connection is given up. */
  readonly silenceMs: number;
  readonly onReady?: (client: RedisClient) => void;
  /** The answer to each probe; undefined for a good one. */
  readonly onProbed?: (error: unknown) => void;
  readonly onLost?: (reason: string) => void;
  /** Between 0 and 1. */
  readonly random?: () => number;
}

/**
 * One connection to Redis that comes back for as long as it is not closed.
 *
 * ```text
 * connecting ──ready──▶ ready
 *   │  ▲                  │ closed, dropped, or no answer to a probe
 *   ▼  └──back-off────┐   ▼
 *   └──failed──────▶ waiting        any ──close()──▶ closed
 * ```
 *
 * Nothing waits for it: what is sent while it is not ready rejects at once, and what it still owes when it is lost rejects
 * then. There is no end to its attempts, and they never come less often than every half second.
 */
export class Line {
  readonly #parts: LineParts;
  readonly #owed = new Set<(error: RpcError) => void>();
  readonly #beat: NodeJS.Timeout;
  #state: LineState = { is: 'waiting' };
  #attempt = 0;
  #failures = 0;
  /** Commands without a reply yet, those whose callers have given up among them. */
  #unanswered = 0;
  #reason = 'not connected yet';
  #probedAt = 0;
  #probing = false;
  #probeFailed = false;

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.#beat = setInterval(() => this.#onBeat(), BEAT_MS);
    this.#beat.unref();
    this.#connect();
  }

  get ready(): boolean {
    return this.#state.is === 'ready';
  }

  /** Why it is not ready. */
  get reason(): string {
    return this.#reason;
  }

  get client(): RedisClient | undefined {
    return this.#state.is === 'ready' ? this.#state.client : undefined;
  }

  /** One command; replies are bytes. Rejects with an `RpcError`. */
  send(name: string, ...words: (string | Buffer | number)[]): Promise<unknown> {
    return this.run((client) => client.callBuffer(name, ...words));
  }

  /** As `send`, of anything that the client offers. */
  async run<Result>(ask: (client: RedisClient) => Promise<Result>): Promise<Result> {
    if (this.#state.is !== 'ready') throw notAvailable(this.#reason);
    if (this.#unanswered >= MAX_UNANSWERED) throw notAvailable(`${MAX_UNANSWERED} commands wait for answers`);
    const { client } = this.#state;
    this.#unanswered += 1;
    const reply = ask(client).finally(() => {
      this.#unanswered -= 1;
    });
    return this.#withinTime(reply);
  }

  #withinTime<Result>(reply: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#owed.delete(fail);
      };
      const fail = (error: RpcError) => {
        settle();
        reject(error);
      };
      const timer = setTimeout(() => {
        // After a stall of ours the reply may be here, unread.
        setImmediate(() => fail(notAvailable(`no answer within ${this.#parts.commandMs} ms`)));
      }, this.#parts.commandMs);
      this.#owed.add(fail);
      reply.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => fail(asRpcError(error)),
      );
    });
  }

  /** Gives the present connection up for a new one. */
  drop(reason: string): void {
    if (this.#state.is === 'ready' || this.#state.is === 'connecting') this.#onLost(this.#state.client, reason);
  }

  /** Redis answers what it should not: probes come often until one is good. */
  doubt(): void {
    this.#probeFailed = true;
  }

  /** Probes now rather than with the next beat. */
  probe(): void {
    if (this.#state.is !== 'ready' || this.#probing) return;
    const { client } = this.#state;
    this.#probing = true;
    this.#probedAt = performance.now();
    const done = (error?: unknown) => {
      if (this.client !== client) return;
      this.#probing = false;
      this.#probeFailed = error !== undefined;
      this.#parts.onProbed?.(error);
    };
    this.#parts.probe(client).then(() => done(), done);
  }

  /** Idempotent. */
  close(): void {
    if (this.#state.is === 'closed') return;
    const before = this.#state;
    this.#state = { is: 'closed' };
    clearInterval(this.#beat);
    this.#leave(before, 'closed');
  }

  #connect(): void {
    const client = this.#parts.open(this.#attempt);
    this.#attempt += 1;
    let failure = 'the connection was closed';
    client.on('error', (error: Error) => {
      failure = error.message;
    });
    client.once('ready', () => this.#onReady(client));
    client.once('end', () => this.#onLost(client, failure));
    const deadline = setTimeout(() => {
      this.#onLost(client, `no connection within ${this.#parts.attemptMs} ms`);
    }, this.#parts.attemptMs);
    deadline.unref();
    this.#state = { is: 'connecting', client, deadline };
  }

  #onReady(client: RedisClient): void {
    if (this.#state.is !== 'connecting' || this.#state.client !== client) return;
    clearTimeout(this.#state.deadline);
    this.#state = { is: 'ready', client };
    this.#failures = 0;
    this.#probeFailed = false;
    this.#parts.onReady?.(client);
    this.probe();
  }

  #onLost(client: RedisClient, reason: string): void {
    const before = this.#state;
    if (before.is !== 'ready' && before.is !== 'connecting') return;
    if (before.client !== client) return;
    const delay = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures = Math.min(this.#failures + 1, MAX_RETRY_MS / FIRST_RETRY_MS);
    // Whole fleets lose Redis at once; they need not come back in one instant.
    const timer = setTimeout(() => this.#connect(), delay * (0.5 + (this.#parts.random ?? Math.random)() / 2));
    timer.unref();
    this.#state = { is: 'waiting', timer };
    this.#leave(before, reason);
  }

  #leave(before: LineState, reason: string): void {
    this.#reason = reason;
    this.#probing = false;
    if (before.is === 'waiting') clearTimeout(before.timer);
    if (before.is === 'connecting') clearTimeout(before.deadline);
    if (before.is === 'connecting' || before.is === 'ready') before.client.disconnect();
    const error = notAvailable(reason);
    for (const fail of [...this.#owed]) fail(error);
    this.#parts.onLost?.(reason);
  }

  #onBeat(): void {
    if (this.#state.is !== 'ready') return;
    const since = performance.now() - this.#probedAt;
    if (this.#probing) {
      const { client } = this.#state;
      if (since < this.#parts.silenceMs) return;
      // As with commands: the answer may be here, unread.
      setImmediate(() => {
        if (this.#probing && this.client === client) this.#onLost(client, `no answer for ${Math.round(since)} ms`);
      });
      return;
    }
    if (this.#probeFailed || since >= PROBE_MS) this.probe();
  }
}

type LineState =
  | { is: 'waiting'; timer?: NodeJS.Timeout }
  | { is: 'connecting'; client: RedisClient; deadline: NodeJS.Timeout }
  | { is: 'ready'; client: RedisClient }
  | { is: 'closed' };

const BEAT_MS = 250;
const PROBE_MS = 1000;
const FIRST_RETRY_MS = 50;
/** Redis is in use again within this time of being back, however long it was away. */
const MAX_RETRY_MS = 500;
/** More than this in a few seconds is no traffic of ours that Redis keeps up with. */
const MAX_UNANSWERED = 50_000;
