/** What one machine of a size can carry, and what a room takes of it. */

import type { Figure, Profile } from './profile.ts';
import { type Flow, type Layout, people, sumFlows, trafficOf } from './traffic.ts';
import type { RoomKind } from './workload.ts';

/** The machines that are planned for. */
export interface Machine {
  readonly cores: number;
  readonly memoryMb: number;
  /** Of its network card, each way. */
  readonly gbit: number;
  /** Ports from `rtc.port_range_start` to `rtc.port_range_end`; 0 with `rtc.udp_port`. */
  readonly udpPorts: number;
  /** File descriptors that the process may open. */
  readonly files: number;
}

/** What can run out first. */
export const RESOURCES = ['cpu', 'memory', 'network out', 'network in', 'udp ports', 'file descriptors'] as const;
export type Resource = (typeof RESOURCES)[number];
export type Demand = Readonly<Record<Resource, number>>;

/** Which of the measured figures is believed. */
export type Belief = keyof Figure;

/**
 * CPU in cores' worth of seconds per second, memory in MB, network in bits per second, the others counted. Joins spread
 * everybody over `joinSeconds`.
 */
export function demandOf(
  kind: RoomKind,
  profile: Profile,
  belief: Belief,
  layout: Layout,
  joinSeconds: number,
): Demand {
  const traffic = trafficOf(kind, layout);
  const persons = people(kind);
  const { videoIn, videoOut, audioIn, audioOut } = traffic;
  const microseconds = cpuOf(sumFlows([videoIn, videoOut, audioIn, audioOut]), profile, belief);
  const joining = (persons * profile.joinMs[belief]) / 1000 / joinSeconds;
  return {
    cpu: microseconds / 1e6 + joining,
    memory: (persons * profile.participantKb[belief]) / 1000,
    'network out': traffic.videoOut.bits + traffic.audioOut.bits,
    'network in': traffic.videoIn.bits + traffic.audioIn.bits,
    'udp ports': persons * TRANSPORTS,
    'file descriptors': persons * (TRANSPORTS + 1),
  };
}

/**
 * Microseconds. The first packet of a train costs what one by itself does, as in the profile's audio, and those behind it
 * what brings a train of the profile's video to its cost. A packet in is taken to cost what one out does.
 */
function cpuOf({ packets, trains }: Flow, profile: Profile, belief: Belief): number {
  const [single, inTrain] = [profile.audioUs[belief], profile.videoUs[belief]];
  const behind = Math.max(0, (PROFILE_TRAIN * inTrain - single) / (PROFILE_TRAIN - 1));
  return trains * single + (packets - trains) * behind;
}

/** What is left for rooms, `headroom` (0 to 1) kept free. */
export function capacityOf(machine: Machine, profile: Profile, headroom: number): Demand {
  const share = 1 - headroom;
  return {
    cpu: machine.cores * profile.kneeShare * share,
    memory: Math.max(0, machine.memoryMb * share - profile.baseMb),
    'network out': machine.gbit * 1e9 * share,
    'network in': machine.gbit * 1e9 * share,
    'udp ports': machine.udpPorts === 0 ? Number.POSITIVE_INFINITY : machine.udpPorts * share,
    'file descriptors': machine.files * share - BASE_FILES,
  };
}

/** The largest share that a demand takes of a capacity, and of what. */
export function tightest(demand: Demand, capacity: Demand): { readonly resource: Resource; readonly share: number } {
  const shares = RESOURCES.map((resource) => ({ resource, share: demand[resource] / capacity[resource] }));
  return shares.reduce((most, one) => (one.share > most.share ? one : most));
}

export function add(a: Demand, b: Demand, times = 1): Demand {
  return Object.fromEntries(RESOURCES.map((one) => [one, a[one] + b[one] * times])) as unknown as Demand;
}

export const NO_DEMAND = Object.fromEntries(RESOURCES.map((one) => [one, 0])) as unknown as Demand;

/** Packets of a frame in the stream that profiles are measured with: 1.5 Mbit/s, 30 frames a second. */
const PROFILE_TRAIN = 6;
/** Two peer connections each; the single peer connection mode takes one. */
const TRANSPORTS = 2;
/** Libraries, listeners, logs. */
const BASE_FILES = 100;
