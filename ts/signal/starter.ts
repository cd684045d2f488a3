/** Starts a session for a client that waits for its upgrade: the first message of the session decides (livekit-facts 1.6). */

import { setTimeout as delay } from 'node:timers/promises';
import { RpcError } from '../lib/rpc-error.ts';
import type { SharedFrames } from './codec.ts';
import { type ConnectionLog, SignalConnection, type SignalObserver } from './socket.ts';
import type { JoinParams, SessionHost, SignalSession } from './types.ts';

/** Milliseconds that each try may take; each has a little more than the one before. */
export function waitsFor(attempts: number): number[] {
  return Array.from({ length: attempts }, (_, attempt) => FIRST_WAIT_MS + attempt * WAIT_STEP_MS);
}

export interface Started {
  readonly connection: SignalConnection;
  readonly session: SignalSession;
}

/** Finds the host of the room, again at each try: the node that failed may be gone. */
export type HostFinder = (params: JoinParams) => Promise<SessionHost>;

/** What the connections of a node share. */
export interface Shared {
  readonly frames: SharedFrames;
  readonly observer: SignalObserver;
}

/** Rejects with `RpcError` where the client is to be refused; `gone` fires when nobody waits any more. */
export async function startSession(
  params: JoinParams,
  findHost: HostFinder,
  gone: AbortSignal,
  { frames, observer }: Shared,
  log: ConnectionLog,
  waits: readonly number[],
): Promise<Started> {
  let failure = new RpcError('internal', 'no attempts to start a session are configured');
  for (const [attempt, wait] of waits.entries()) {
    if (gone.aborted) break;
    const connection = new SignalConnection(frames, observer, log);
    const abandoned = new Abandonment(gone, wait);
    const began = performance.now();
    try {
      return { connection, session: await startOnce(params, findHost, connection, abandoned.signal) };
    } catch (error) {
      connection.abandon();
      failure = error instanceof RpcError ? error : new RpcError('internal', String(error));
      if (!RETRIED.has(failure.code)) break;
      log.debug({ attempt, error: failure.message }, 'could not start the session');
      // Refused at once, by a node that has just lost the room, or is about to get it: a moment later that is settled.
      const pause = Math.min(wait, PAUSE_MS * (attempt + 1)) - (performance.now() - began);
      if (attempt + 1 < waits.length && pause > 0) await delay(pause, undefined, { signal: gone }).catch(() => {});
    } finally {
      abandoned.release();
    }
  }
  throw failure;
}

/** Fires when the client goes or time is up. `AbortSignal.any` would do, and keep each attempt alive until then. */
class Abandonment {
  readonly #controller = new AbortController();
  readonly #gone: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #abort = () => this.#controller.abort();

  constructor(gone: AbortSignal, waitMs: number) {
    this.#gone = gone;
    this.#timer = setTimeout(this.#abort, waitMs);
    if (gone.aborted) this.#abort();
    else gone.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The attempt is settled. */
  release(): void {
    clearTimeout(this.#timer);
    this.#gone.removeEventListener('abort', this.#abort);
  }
}

async function startOnce(
  params: JoinParams,
  findHost: HostFinder,
  connection: SignalConnection,
  abandoned: AbortSignal,
): Promise<SignalSession> {
  const starting = findHost(params).then((host) => host.startSession(params, connection, abandoned));
  const ready = Promise.all([starting, connection.firstMessage]).then(([session]) => session);
  try {
    return await Promise.race([ready, rejectWhen(abandoned)]);
  } catch (error) {
    // A session that starts after all has nobody to talk to.
    starting.then(
      (session) => session.closed(true),
      () => {},
    );
    throw error;
  }
}

function rejectWhen(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(new RpcError('deadline_exceeded', 'timed out while waiting for signal response'));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

const PAUSE_MS = 300;
const FIRST_WAIT_MS = 3000;
const WAIT_STEP_MS = 1000;
const RETRIED: ReadonlySet<string> = new Set(['deadline_exceeded', 'unavailable']);
