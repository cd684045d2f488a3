/** From a workload and a profile to machines and their limits. */

import {
  add,
  type Belief,
  capacityOf,
  type Demand,
  demandOf,
  type Machine,
  NO_DEMAND,
  type Resource,
  tightest,
} from './machine.ts';
import { machinesFor } from './pack.ts';
import type { Profile } from './profile.ts';
import { type Layout, people, trafficOf } from './traffic.ts';
import type { RoomKind, Workload } from './workload.ts';

export interface PlanOptions {
  readonly machine: Machine;
  /** Share of each machine that stays free, 0 to below 1. */
  readonly headroom: number;
  readonly layout: Layout;
  /** Within so many seconds everybody joins, at the start or after a node was lost. */
  readonly joinSeconds: number;
  /** Hours of a day at which the rooms are full. */
  readonly hoursPerDay: number;
}

/** A figure with what it may as well be. */
export interface Range {
  readonly likely: number;
  readonly low: number;
  readonly high: number;
}

export interface Plan {
  /** Machines of all regions together. */
  readonly nodes: Range;
  readonly nodesPerRegion: number;
  /** Cores' worth of CPU seconds per second. */
  readonly cpu: Range;
  readonly memoryMb: Range;
  readonly people: number;
  readonly packetsOut: number;
  readonly gbitOut: number;
  readonly gbitIn: number;
  /** In and out, for `hoursPerDay`. */
  readonly terabytesPerDay: number;
  readonly bottleneck: Resource;
  /** What one machine takes of each resource, 0 to 1 of what it has, headroom not taken off. */
  readonly used: Readonly<Record<Resource, number>>;
  readonly limits: Limits;
}

/** For the configuration of each node. */
export interface Limits {
  readonly numTracks: number;
  readonly bytesPerSecond: number;
  readonly udpPorts: number;
  readonly files: number;
}

/** One room is more than a machine can carry; rooms do not span nodes. */
export class RoomTooLarge extends Error {}

/** Throws RoomTooLarge. */
export function plan(workload: Workload, profile: Profile, options: PlanOptions): Plan {
  const likely = total(workload, profile, 'median', options);
  const [low, high] = [total(workload, profile, 'low', options), total(workload, profile, 'high', options)];
  const capacity = capacityOf(options.machine, profile, options.headroom);
  const nodes = {
    likely: nodesFor(workload, profile, 'median', options),
    low: nodesFor(workload, profile, 'low', options),
    high: nodesFor(workload, profile, 'high', options),
  };
  const whole = capacityOf(options.machine, profile, 0);
  const base = nodes.likely * profile.baseMb;
  const bits = likely['network out'] + likely['network in'];
  return {
    nodes,
    nodesPerRegion: nodes.likely / workload.regions,
    cpu: { likely: likely.cpu, low: low.cpu, high: high.cpu },
    memoryMb: { likely: base + likely.memory, low: base + low.memory, high: base + high.memory },
    people: sum(workload, people),
    packetsOut: sum(workload, (kind) => packetsOut(kind, options.layout)),
    gbitOut: likely['network out'] / 1e9,
    gbitIn: likely['network in'] / 1e9,
    terabytesPerDay: ((bits / 8) * options.hoursPerDay * 3600) / 1e12,
    bottleneck: tightest(likely, capacity).resource,
    used: shares(likely, whole, nodes.likely),
    limits: limitsOf(workload, likely, nodes.likely, options),
  };
}

function nodesFor(workload: Workload, profile: Profile, belief: Belief, options: PlanOptions): number {
  const capacity = capacityOf(options.machine, profile, options.headroom);
  const items = workload.kinds.map((kind) => ({
    count: Math.ceil(kind.rooms / workload.regions),
    demand: demandOf(kind, profile, belief, options.layout, options.joinSeconds),
    kind,
  }));
  for (const { demand, kind } of items) {
    const { resource, share } = tightest(demand, capacity);
    if (share > 1) throw new RoomTooLarge(tooLarge(kind, resource, share));
  }
  const perRegion = machinesFor(items, capacity) ?? 1;
  return perRegion * workload.regions;
}

function tooLarge(kind: RoomKind, resource: Resource, share: number): string {
  const size = `${kind.publishers} who publish and ${kind.viewers} who only watch or listen`;
  const times = share.toFixed(1);
  return `one room with ${size} needs ${times} times what such a machine has of: ${resource}. A room does not span nodes: take larger machines (--cores, --memory, --gbit), less headroom, or smaller rooms`;
}

function total(workload: Workload, profile: Profile, belief: Belief, options: PlanOptions): Demand {
  return workload.kinds.reduce(
    (all, kind) => add(all, demandOf(kind, profile, belief, options.layout, options.joinSeconds), kind.rooms),
    NO_DEMAND,
  );
}

function limitsOf(workload: Workload, demand: Demand, nodes: number, options: PlanOptions): Limits {
  // What is planned for a node with its headroom used up: beyond it rooms go elsewhere.
  const grown = 1 / (1 - options.headroom) / nodes;
  const tracks = sum(workload, (kind) => {
    const { tracksIn, tracksOut } = trafficOf(kind, options.layout);
    return tracksIn + tracksOut;
  });
  return {
    numTracks: Math.ceil(tracks * grown),
    bytesPerSecond: Math.ceil(((demand['network out'] + demand['network in']) / 8) * grown),
    udpPorts: Math.ceil(demand['udp ports'] * grown),
    files: Math.ceil(demand['file descriptors'] * grown) + SPARE_FILES,
  };
}

function packetsOut(kind: RoomKind, layout: Layout): number {
  const { videoOut, audioOut } = trafficOf(kind, layout);
  return videoOut.packets + audioOut.packets;
}

function sum(workload: Workload, of: (kind: RoomKind) => number): number {
  return workload.kinds.reduce((all, kind) => all + kind.rooms * of(kind), 0);
}

function shares(demand: Demand, capacity: Demand, nodes: number): Record<Resource, number> {
  return Object.fromEntries(
    Object.entries(demand).map(([resource, value]) => [resource, value / nodes / capacity[resource as Resource]]),
  ) as Record<Resource, number>;
}

const SPARE_FILES = 1_000;
