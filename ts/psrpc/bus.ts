/**
 * Publish and subscribe between nodes. Delivery is at most once, in order per channel and publisher, never reentrant.
 * In this process alone it is a `LocalBus`; over Redis it reaches the whole cluster.
 */
export interface Bus {
  /** Rejects with `unavailable` at once where the network behind the bus is away. */
  publish(channel: string, payload: Uint8Array): Promise<void>;
  /**
   * Resolves when messages published from now on arrive; the returned function ends the subscription. Where the network
   * is away it resolves at once all the same, and holds as soon as the network is back.
   */
  subscribe(channel: string, handler: BusHandler): Promise<() => Promise<void>>;
  /** Whether this caller is the first of all who ask for this key within its lifetime. */
  claim(key: string, lifetimeMs: number): Promise<boolean>;
  /** Idempotent; later calls reject. */
  close(): Promise<void>;
}

export type BusHandler = (payload: Uint8Array) => void;
