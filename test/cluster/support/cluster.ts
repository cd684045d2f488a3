/** A fleet with its Redis, where each node may reach Redis through a proxy of its own. */

import { startRedis, type TestRedis } from '../../../ts/redis/testing/redis.ts';
import { endAll } from './endings.ts';
import { Fleet, type NodeSettings } from './fleet.ts';
import { RedisProxy } from './proxy.ts';

export interface ClusterSettings {
  /** How many nodes, or what each is. */
  nodes: number | readonly Partial<NodeSettings>[];
  /** For all nodes. */
  config?: Record<string, unknown>;
  /** Whether proxies stand between nodes and Redis. */
  proxied?: boolean;
}

export class Cluster {
  readonly redis: TestRedis;
  readonly fleet: Fleet;
  /** One for each node where the cluster is proxied. */
  readonly proxies: readonly RedisProxy[];

  private constructor(redis: TestRedis, fleet: Fleet, proxies: readonly RedisProxy[]) {
    this.redis = redis;
    this.fleet = fleet;
    this.proxies = proxies;
  }

  /** Resolves when all nodes serve; where one does not, nothing is left behind. */
  static async start(settings: ClusterSettings): Promise<Cluster> {
    const { nodes, config = {}, proxied = false } = settings;
    const each = typeof nodes === 'number' ? Array.from({ length: nodes }, () => ({})) : nodes;
    const redis = await startRedis();
    const proxies = proxied ? await Promise.all(each.map(() => RedisProxy.start(redis.port))) : [];
    try {
      const fleet = await Fleet.start(
        each.map((one, index) => ({
          redis: { address: proxies[index]?.address ?? `127.0.0.1:${redis.port}` },
          config,
          ...one,
        })),
      );
      return new Cluster(redis, fleet, proxies);
    } catch (error) {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await redis.stop();
      throw error;
    }
  }

  node(index: number) {
    return this.fleet.node(index);
  }

  proxy(index: number): RedisProxy {
    const proxy = this.proxies[index];
    if (proxy === undefined) throw new Error(`node ${index} has no proxy`);
    return proxy;
  }

  /** What all nodes printed, for a test that failed. */
  output(): string {
    return this.fleet.nodes.map((node, index) => `── node ${index}, ${node.kind}\n${node.output()}`).join('\n');
  }

  async stop(): Promise<void> {
    await endAll();
    await this.fleet.stop();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await this.redis.stop();
  }
}
