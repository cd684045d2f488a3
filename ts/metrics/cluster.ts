/** How this node stands in its cluster: Redis, its lease, rooms won and lost, clients of rooms elsewhere. */

import { Counter, Gauge, type Metric } from 'prom-client';

/** Counters run from the start of the process. */
export interface ClusterFigures {
  /** True without Redis, too. */
  redisUp: boolean;
  redisOutages: number;
  /** May take rooms as far as its lease goes. */
  leaseValid: boolean;
  leasesLost: number;
  draining: boolean;
  /** Rooms taken, those of dead nodes among them; and rooms that another node had taken meanwhile. */
  roomsClaimed: number;
  roomsLost: number;
  /** Other nodes that were found dead. */
  nodesGone: number;
  /** Nodes that may be given rooms, this one among them. */
  nodesAvailable: number;
  /** Sockets here whose room is elsewhere, sockets elsewhere whose room is here, and those that broke. */
  relayedOut: number;
  relayedIn: number;
  relaysBroken: number;
}

export class ClusterMetrics {
  readonly all: Metric[];

  constructor(figures: () => ClusterFigures) {
    const read = (key: keyof ClusterFigures) => () => Number(figures()[key]);
    const relays = (direction: 'out' | 'in', key: keyof ClusterFigures) => ({ labels: { direction }, read: read(key) });
    this.all = [
      gauge('sluice_redis_up', 'Whether Redis answers; 1 without Redis, too', read('redisUp')),
      counter('sluice_redis_outages_total', 'Times that Redis was away', read('redisOutages')),
      gauge('sluice_node_lease_valid', 'Whether this node holds its lease, and so may take rooms', read('leaseValid')),
      counter('sluice_node_leases_lost_total', 'Times that the lease ended before it was renewed', read('leasesLost')),
      gauge('sluice_node_draining', 'Whether this node is being emptied', read('draining')),
      gauge('sluice_nodes_available', 'Nodes that may be given rooms', read('nodesAvailable')),
      counter('sluice_nodes_gone_total', 'Other nodes that were found dead', read('nodesGone')),
      counter('sluice_rooms_claimed_total', 'Rooms that this node took', read('roomsClaimed')),
      counter('sluice_rooms_lost_total', 'Rooms that another node had taken meanwhile', read('roomsLost')),
      relayed([relays('out', 'relayedOut'), relays('in', 'relayedIn')]),
      counter('sluice_relays_broken_total', 'Relayed signal connections that broke', read('relaysBroken')),
    ];
  }
}

function gauge(name: string, help: string, read: () => number): Metric {
  return new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read());
    },
  });
}

function counter(name: string, help: string, read: () => number): Metric {
  return new Counter({
    name,
    help,
    registers: [],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

function relayed(series: readonly { labels: { direction: string }; read: () => number }[]): Metric {
  return new Gauge({
    name: 'sluice_relayed_sessions',
    help: 'Signal connections between nodes: out to a room elsewhere, in to a room here',
    labelNames: ['direction'],
    registers: [],
    collect() {
      for (const { labels, read } of series) this.set(labels, read());
    },
  });
}
