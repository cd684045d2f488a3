/** Which node a new room goes to (livekit-facts 8). */

import { RpcError } from '../../lib/rpc-error.ts';
import type { ClusterNode } from '../types.ts';
import { FIGURES, sysload } from './load.ts';
import { distancesFrom } from './regions.ts';
import type { SelectorSettings } from './settings.ts';

/** From 0 up to, not including, 1. */
export type Random = () => number;

export class NodeSelector {
  readonly #settings: SelectorSettings;
  readonly #random: Random;
  readonly #distances: ReadonlyMap<string, number>;

  /** Throws where `regionaware` is asked for and the region of this node is not known. */
  constructor(settings: SelectorSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
    this.#distances =
      settings.kind === 'regionaware' ? distancesFrom(settings.region, settings.regions) : new Map<string, number>();
  }

  /** One of those that are available and serving; rejects with `unavailable` where there is none. */
  select(nodes: readonly ClusterNode[]): ClusterNode {
    if (nodes.length === 0) throw noNodes();
    switch (this.#settings.kind) {
      case 'any':
        return this.#best(nodes);
      case 'random':
        return this.#draw(nodes);
      case 'cpuload':
        return this.#best(preferring(nodes, ({ stats }) => stats.cpuLoad < this.#settings.cpuLoadLimit));
      case 'sysload':
        return this.#best(this.#idle(nodes));
      case 'regionaware':
        return this.#best(this.#nearest(this.#idle(nodes)));
    }
  }

  #idle(nodes: readonly ClusterNode[]): readonly ClusterNode[] {
    return preferring(nodes, ({ stats }) => sysload(stats) < this.#settings.sysloadLimit);
  }

  #nearest(nodes: readonly ClusterNode[]): readonly ClusterNode[] {
    const distanceOf = ({ region }: ClusterNode) => this.#distances.get(region) ?? Number.POSITIVE_INFINITY;
    const least = Math.min(...nodes.map(distanceOf));
    return Number.isFinite(least) ? nodes.filter((node) => distanceOf(node) === least) : nodes;
  }

  #best(nodes: readonly ClusterNode[]): ClusterNode {
    const { sortBy, algorithm } = this.#settings;
    if (sortBy === 'random') return this.#draw(nodes);
    const figure = FIGURES[sortBy];
    const compared = algorithm === 'twochoice' && nodes.length > 2 ? this.#two(nodes) : nodes;
    const [first] = compared.toSorted((left, right) => figure(left.stats) - figure(right.stats));
    if (first === undefined) throw noNodes();
    return first;
  }

  #two(nodes: readonly ClusterNode[]): ClusterNode[] {
    const first = this.#draw(nodes);
    return [first, this.#draw(nodes.filter((node) => node !== first))];
  }

  #draw(nodes: readonly ClusterNode[]): ClusterNode {
    const node = nodes[Math.floor(this.#random() * nodes.length)];
    if (node === undefined) throw noNodes();
    return node;
  }
}

/** Those that satisfy; all where none does. */
function preferring(nodes: readonly ClusterNode[], satisfies: (node: ClusterNode) => boolean): readonly ClusterNode[] {
  const preferred = nodes.filter(satisfies);
  return preferred.length > 0 ? preferred : nodes;
}

function noNodes(): RpcError {
  return new RpcError('unavailable', 'could not find any available nodes');
}
