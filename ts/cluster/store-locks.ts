import { deferred } from '../lib/deferred.ts';
import { newGuid } from '../lib/guid.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Keyspace } from './keyspace.ts';
import { lockOf } from './store-keys.ts';

/**
 * Locks of rooms. Within this process they go to the callers in the order in which they asked, at once when one unlocks;
 * among nodes, to whoever first finds the key free (livekit-facts 6).
 */
export class RoomLocks {
  readonly #keyspace: Keyspace;
  /** Who waits for each room that is locked, or asked for, by this process. */
  readonly #waiting = new Map<RoomName, (() => void)[]>();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** Rejects with `internal` after 5 s of waiting. The returned function unlocks. */
  async take(room: RoomName): Promise<() => Promise<void>> {
    const giveUpAt = performance.now() + LOCK_WAIT_MS;
    await this.#turn(room);
    try {
      const token = newGuid('LOCK');
      await this.#acquire(lockOf(room), token, giveUpAt);
      return this.#held(room, token);
    } catch (error) {
      this.#next(room);
      throw error;
    }
  }

  /** A lock ends by itself in the keyspace; so does its holder's turn here. */
  #held(room: RoomName, token: string): () => Promise<void> {
    let open = true;
    const pass = () => {
      if (open) this.#next(room);
      open = false;
      clearTimeout(expiry);
    };
    const expiry = setTimeout(pass, LOCK_LIFETIME_MS);
    expiry.unref();
    return async () => {
      if (!open) return;
      try {
        await this.#keyspace.removeIfEquals(lockOf(room), token);
      } catch {
        // Where Redis went away meanwhile, the key ends by itself.
      } finally {
        pass();
      }
    };
  }

  async #acquire(key: string, token: string, giveUpAt: number): Promise<void> {
    while (!(await this.#keyspace.set(key, token, { ttlMs: LOCK_LIFETIME_MS, onlyIfAbsent: true }))) {
      if (performance.now() > giveUpAt) throw couldNotLock();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Waits for those of this process that came before. */
  async #turn(room: RoomName): Promise<void> {
    const queue = this.#waiting.get(room);
    if (queue === undefined) {
      this.#waiting.set(room, []);
      return;
    }
    const { promise, resolve, reject } = deferred<void>();
    const timer = setTimeout(() => {
      queue.splice(queue.indexOf(resolve), 1);
      reject(couldNotLock());
    }, LOCK_WAIT_MS);
    queue.push(resolve);
    await promise.finally(() => clearTimeout(timer));
  }

  #next(room: RoomName): void {
    const first = this.#waiting.get(room)?.shift();
    if (first === undefined) this.#waiting.delete(room);
    else first();
  }
}

function couldNotLock(): RpcError {
  return new RpcError('internal', 'could not lock room');
}

/** livekit-server's, so that nodes of both kinds wait for each other alike. */
const LOCK_LIFETIME_MS = 5000;
const LOCK_WAIT_MS = 5000;
const POLL_MS = 100;
