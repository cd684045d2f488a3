import type { Link } from '../cluster/keyspace.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Clock, Timer } from '../room/clock.ts';
import type { RelaySettings } from './settings.ts';

/** Signals that go out together: `seq` counts those before them. */
export interface Batch<Signal> {
  readonly seq: bigint;
  readonly signals: readonly Signal[];
  /** There will be no more. */
  readonly close: boolean;
}

export interface SignalWriterParts<Signal> {
  readonly settings: RelaySettings;
  readonly clock: Clock;
  readonly link: Link;
  /** Resolves when the other node has the batch. */
  readonly send: (batch: Batch<Signal>, timeoutMs: number) => Promise<void>;
  /** Called once: everything up to `close()` was delivered, or with what broke it. */
  readonly onDone: (error: RpcError | undefined) => void;
  /** One signal that says all that two say, where there is one. */
  readonly merge: (earlier: Signal, later: Signal) => Signal | undefined;
}

/**
 * One direction of a relay, as livekit-server writes it: what waits goes out as one batch, the next when that is
 * acknowledged, and again under the same number when it is not; the reader leaves out what it has already.
 *
 * While Redis is away nothing is tried, and no time counts.
 *
 * ```
 *        write()          acknowledged, none waits
 * idle ─────────► writing ─────────────────────────► idle
 *   │ close()        │ retry timeout, overflow
 *   ▼                ▼
 * draining ───────► done
 * ```
 */
export class SignalWriter<Signal> {
  readonly #parts: SignalWriterParts<Signal>;
  #queue: Signal[] = [];
  #seq = 0n;
  /** Signals at the head of the queue that went out at least once: they stay as they are. */
  #attempted = 0;
  #state: 'idle' | 'writing' | 'done' = 'idle';
  #closing = false;
  #wake: (() => void) | undefined;

  constructor(parts: SignalWriterParts<Signal>) {
    this.#parts = parts;
  }

  /** What comes after `close()` or the end is for nobody. */
  write(signal: Signal): void {
    if (this.#state === 'done' || this.#closing) return;
    if (this.#merged(signal)) return;
    if (this.#queue.length >= this.#parts.settings.bufferSize) {
      this.#finish(new RpcError('resource_exhausted', 'too many signals wait for the other node'));
      return;
    }
    this.#queue.push(signal);
    this.#start();
  }

  /** What was written still goes out, with the word that it was the last. Idempotent. */
  close(): void {
    if (this.#state === 'done' || this.#closing) return;
    this.#closing = true;
    this.#start();
  }

  /** Nothing goes out any more, and `onDone` is not called. Idempotent. */
  abandon(): void {
    this.#state = 'done';
    this.#queue = [];
    this.#wake?.();
  }

  #merged(signal: Signal): boolean {
    for (let index = this.#queue.length - 1; index >= this.#attempted; index -= 1) {
      const earlier = this.#queue[index];
      const merged = earlier === undefined ? undefined : this.#parts.merge(earlier, signal);
      if (merged === undefined) continue;
      this.#queue[index] = merged;
      return true;
    }
    return false;
  }

  #start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'writing';
    // It rejects never: what goes wrong is told to `onDone`.
    void this.#run();
  }

  async #run(): Promise<void> {
    const { settings, clock, link } = this.#parts;
    // What is said in one turn of the event loop goes out together.
    await Promise.resolve();
    let interval = settings.minRetryMs;
    let deadline = clock.now() + settings.retryTimeoutMs;
    while (this.#state === 'writing' && (this.#queue.length > 0 || this.#closing)) {
      if (!link.up) {
        await this.#linkUp();
        deadline = clock.now() + settings.retryTimeoutMs;
        continue;
      }
      const close = this.#closing;
      const sentAt = clock.now();
      const error = await this.#attempt(close, interval);
      if (this.#state !== 'writing') return;
      if (error === undefined) {
        interval = settings.minRetryMs;
        deadline = clock.now() + settings.retryTimeoutMs;
        if (close) this.#finish(undefined);
        continue;
      }
      if (link.up && clock.now() > deadline) {
        this.#finish(new RpcError('unavailable', `signal write failed: ${error}`));
        return;
      }
      // Where the attempt failed before its time.
      await this.#pause(sentAt + interval - clock.now());
      interval = Math.min(interval * 2, settings.maxRetryMs);
    }
    if (this.#state === 'writing') this.#state = 'idle';
  }

  /** What went wrong, if anything did. */
  async #attempt(close: boolean, timeoutMs: number): Promise<string | undefined> {
    const signals = [...this.#queue];
    this.#attempted = signals.length;
    try {
      await this.#parts.send({ seq: this.#seq, signals, close }, timeoutMs);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    this.#seq += BigInt(signals.length);
    this.#queue.splice(0, signals.length);
    this.#attempted = 0;
    return undefined;
  }

  #linkUp(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        stop();
        this.#wake = undefined;
        resolve();
      };
      const stop = this.#parts.link.onUp(end);
      this.#wake = end;
    });
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#state !== 'writing') return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
      const timer: Timer = this.#parts.clock.after(ms, end);
      this.#wake = end;
    });
  }

  #finish(error: RpcError | undefined): void {
    if (this.#state === 'done') return;
    this.abandon();
    this.#parts.onDone(error);
  }
}
