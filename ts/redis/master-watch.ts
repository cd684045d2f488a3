import { openSentinel, type RedisClient } from './client.ts';
import { Line } from './line.ts';
import type { RedisServers, RedisSettings } from './options.ts';

/**
 * Asks a Sentinel once a second who is master. After a failover by hand, or where the old master is cut off from the
 * Sentinels but not from us, it goes on answering as one for a while, and what it is told then is lost.
 */
export class MasterWatch {
  readonly #line: Line;
  readonly #onMoved: (address: string) => void;
  #master: string | undefined;

  constructor(
    settings: RedisSettings,
    servers: Extract<RedisServers, { are: 'sentinels' }>,
    onMoved: (address: string) => void,
  ) {
    this.#onMoved = onMoved;
    this.#line = new Line({
      open: (attempt) => openSentinel(settings, servers, attempt),
      attemptMs: settings.dialMs,
      commandMs: settings.commandMs,
      silenceMs: SILENCE_MS,
      probe: (client) => this.#ask(client, servers.master),
    });
  }

  /** Idempotent. */
  close(): void {
    this.#line.close();
  }

  async #ask(client: RedisClient, name: string): Promise<void> {
    const reply = await client.call('sentinel', 'get-master-addr-by-name', name);
    if (!Array.isArray(reply)) return;
    const address = reply.join(':');
    const before = this.#master;
    this.#master = address;
    if (before !== undefined && before !== address) this.#onMoved(address);
  }
}

const SILENCE_MS = 2000;
