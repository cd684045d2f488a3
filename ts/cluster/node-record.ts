/** A node's record as livekit-server reads and writes it: a `livekit.Node` in the hash `nodes` (livekit-facts 6, 8). */

import { type Message, ScalarType } from '@bufbuild/protobuf';
import { Node, NodeStatsRate as WireRate, NodeStats as WireStats } from '../gen/cluster_pb.ts';
import type { NodeId } from '../lib/ids.ts';
import type { ClusterNode, NodeState, NodeStats, NodeStatsRate } from './types.ts';

export function encodeNode(node: ClusterNode): Uint8Array {
  const { rates, ...counts } = node.stats;
  const stats = fromNumbers(new WireStats(), counts);
  stats.rates = rates.map((rate) => fromNumbers(new WireRate(), rate));
  return new Node({
    id: node.id,
    ip: node.ip,
    numCpus: node.stats.numCpus,
    stats,
    state: STATES.indexOf(node.state),
    region: node.region,
  }).toBinary();
}

/** Undefined for what is no record of a node. */
export function decodeNode(record: Uint8Array): ClusterNode | undefined {
  try {
    const { id, ip, region, state, stats } = Node.fromBinary(record);
    return { id: id as NodeId, ip, region, state: STATES[state] ?? 'suspended', stats: statsOf(stats) };
  } catch {
    return undefined;
  }
}

/** Those of a node that has told nothing yet. */
export function noStats(): NodeStats {
  return statsOf(undefined);
}

export function noRate(): NodeStatsRate {
  return toNumbers<NodeStatsRate>(new WireRate());
}

function statsOf(stats = new WireStats()): NodeStats {
  const { rates, ...counts } = stats;
  return { ...toNumbers<Omit<NodeStats, 'rates'>>(counts), rates: rates.map((rate) => toNumbers<NodeStatsRate>(rate)) };
}

/** Figures stay below 2^53 for longer than any node runs. */
function toNumbers<Numbers>(fields: object): Numbers {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, Number(value)])) as Numbers;
}

function fromNumbers<M extends Message<M>>(message: M, numbers: Readonly<Record<string, number>>): M {
  for (const field of message.getType().fields.list()) {
    const value = numbers[field.localName];
    if (value === undefined || field.kind !== 'scalar') continue;
    const whole = Math.max(0, Math.round(value));
    const fitting = LONG.has(field.T) ? BigInt(whole) : field.T === ScalarType.FLOAT ? value : whole;
    Reflect.set(message, field.localName, fitting);
  }
  return message;
}

const STATES: readonly NodeState[] = ['startingUp', 'serving', 'shuttingDown', 'suspended'];
const LONG: ReadonlySet<ScalarType> = new Set([ScalarType.INT64, ScalarType.UINT64]);
