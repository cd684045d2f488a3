import { Cluster } from 'ioredis';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Log } from '../log/log.ts';
import { openClient, openServer, type RedisClient } from './client.ts';
import { isReadOnly, isRefusal, notAvailable } from './failure.ts';
import { Line } from './line.ts';
import { RedisLink } from './link.ts';
import { MasterWatch } from './master-watch.ts';
import type { Endpoint, RedisSettings } from './options.ts';
import { Outages } from './outages.ts';

export interface RedisConnectionParts {
  readonly log: Log;
  /** Tells this process's probes from those of others. */
  readonly id?: string;
}

/**
 * This process's way to Redis. One connection carries all commands; the bus has two more, so that a large reply holds up no
 * message. The link is up while a small write goes through: Redis may be there and yet be read-only, or full.
 */
export class RedisConnection {
  readonly link = new RedisLink();
  readonly #settings: RedisSettings;
  readonly #outages: Outages;
  readonly #probeKeys: readonly string[];
  readonly #commands: Line;
  readonly #busLines = new Set<Line>();
  readonly #masterWatch: MasterWatch | undefined;
  #closed = false;
  /** Why the link is down. */
  #reason = 'not connected yet';
  #lastReadOnlyAt = Number.NEGATIVE_INFINITY;

  constructor(settings: RedisSettings, { log, id = newGuid('') }: RedisConnectionParts) {
    this.#settings = settings;
    this.#outages = new Outages(log);
    // In a cluster, one beside each hash that the cluster lives by.
    const keys = settings.servers.are === 'cluster' ? HASHES.map((hash) => `{${hash}}:`) : [''];
    this.#probeKeys = keys.map((key) => `sluice:alive:${key}${id}`);
    this.#commands = new Line({
      open: (attempt) => openClient(settings, attempt),
      attemptMs: attemptMs(settings),
      commandMs: settings.commandMs,
      silenceMs: Math.max(settings.commandMs, settings.servers.are === 'cluster' ? CLUSTER_SILENCE_MS : SILENCE_MS),
      probe: (client) => this.#probe(client),
      onProbed: (error) => this.#onProbed(error),
      onLost: (reason) => this.#down(reason),
    });
    if (settings.servers.are === 'sentinels') {
      this.#masterWatch = new MasterWatch(settings, settings.servers, (address) => {
        this.#connectAnew(`the master is ${address} now`);
      });
    }
  }

  /** How often Redis could not be used for a while, since the start. */
  get outages(): number {
    return this.#outages.count;
  }

  /** One command; replies are bytes. Rejects with `unavailable` at once while Redis is away, else within its time. */
  async send(name: string, ...words: (string | Buffer | number)[]): Promise<unknown> {
    try {
      return await this.#commands.send(name, ...words);
    } catch (error) {
      const cause = error instanceof RpcError ? error.cause : error;
      if (isRefusal(cause)) this.#onRefusal(cause);
      throw error;
    }
  }

  /** Resolves when Redis can be used; rejects with `unavailable` and the reason if that takes longer. */
  async untilUp(withinMs: number): Promise<void> {
    if (this.link.up) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        end();
        reject(notAvailable(this.#reason));
      }, withinMs);
      const end = this.link.onUp(() => {
        end();
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /**
   * A connection of its own to where messages go round: the master, or any node of a cluster, which passes them on to the
   * others. Ends with this one.
   */
  openBusLine(onReady: (client: RedisClient) => void): Line {
    const { servers, commandMs } = this.#settings;
    const line = new Line({
      open: (attempt) =>
        servers.are === 'cluster'
          ? openServer(this.#settings, this.#nodeOf(servers.at, attempt))
          : openClient(this.#settings, attempt),
      attemptMs: attemptMs(this.#settings),
      commandMs,
      silenceMs: Math.max(commandMs, SILENCE_MS),
      probe: (client) => client.ping(),
      onReady,
      onLost: (reason) => {
        if (!this.#closed) this.#outages.tell(reason);
      },
    });
    this.#busLines.add(line);
    return line;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#masterWatch?.close();
    for (const line of this.#busLines) line.close();
    this.#commands.close();
  }

  /** Another node with each attempt, of those that the cluster has by now. */
  #nodeOf(configured: readonly Endpoint[], attempt: number): Endpoint {
    const { client } = this.#commands;
    const nodes = (client instanceof Cluster ? client.nodes('master') : []).flatMap(({ options: { host, port } }) =>
      host === undefined || port === undefined ? [] : [{ host, port }],
    );
    const from = nodes.length === 0 ? configured : nodes;
    const start = Math.floor(Math.random() * from.length);
    const node = from[(start + attempt) % from.length];
    if (node === undefined) throw new Error('a cluster of no nodes');
    return node;
  }

  async #probe(client: RedisClient): Promise<void> {
    // Slots that move away from a node that hangs are told by no command. The client's own interval for this outlives it.
    if (client instanceof Cluster) client.refreshSlotsCache();
    await Promise.all(this.#probeKeys.map((key) => client.set(key, '1', 'PX', PROBE_LIFETIME_MS)));
  }

  #onProbed(error: unknown): void {
    if (error !== undefined) {
      this.#onRefusal(error);
    } else if (this.link.set(true)) {
      this.#outages.ended();
    }
  }

  #onRefusal(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#down(reason);
    this.#commands.doubt();
    if (!isReadOnly(error) || performance.now() - this.#lastReadOnlyAt < READ_ONLY_GAP_MS) return;
    // Another one is master now: the same address, or the Sentinels, may lead to it.
    this.#lastReadOnlyAt = performance.now();
    this.#connectAnew(reason);
  }

  #connectAnew(reason: string): void {
    for (const line of [this.#commands, ...this.#busLines]) line.drop(reason);
  }

  #down(reason: string): void {
    this.#reason = reason;
    if (this.#closed) {
      this.link.set(false);
      return;
    }
    if (this.link.set(false)) this.#outages.began();
    this.#outages.tell(reason);
  }
}

/** With Sentinel, several may have to be asked first. */
function attemptMs({ servers, dialMs }: RedisSettings): number {
  return servers.are === 'sentinels' ? 2 * dialMs + SENTINEL_TIME_MS : dialMs + HANDSHAKE_MS;
}

const HASHES = ['rooms', 'room_internal', 'nodes', 'room_node_map', 'sluice:owners'];
/** Redis may stall this long, for example while it forks, without being given up for it. */
const SILENCE_MS = 1500;
/** A node of a cluster that hangs is left by the client itself, which then tries elsewhere. */
const CLUSTER_SILENCE_MS = 4000;
const HANDSHAKE_MS = 500;
const SENTINEL_TIME_MS = 1000;
const PROBE_LIFETIME_MS = 5000;
const READ_ONLY_GAP_MS = 2000;
