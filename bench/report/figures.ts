/** The figures: what each one is, how it is made from a measurement, and when two of them may be compared. */

import type { Measurement } from '../measure/measurement.ts';

export interface Figure {
  title: string;
  unit: string;
  /** Which way is good; undefined for what only describes the load, of which there is no ratio. */
  better?: 'less' | 'more';
  /** Whether it depends on the packet rate, so that only equal rates compare. */
  perLoad?: boolean;
  /** Null where it does not exist: no packets, no joins. */
  of(measurement: Measurement): number | null;
}

const window = ({ cpu }: Measurement) => cpu.window;
const packetRate = ({ load }: Measurement) => load.packets.received / load.seconds;
const signalRate = ({ load }: Measurement) => (load.signals.sent + load.signals.received) / load.seconds;
const bitRate = ({ load }: Measurement) => (load.bytes.received * 8) / load.seconds;
const dataRate = ({ load }: Measurement) => load.data.received / load.seconds;
const coresOf = (seconds: number, measurement: Measurement) => seconds / window(measurement).wallSeconds;

function ratio(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

/** CPU microseconds per thing of which so many pass in a second. */
function micros(seconds: number, perSecond: number, measurement: Measurement): number | null {
  return ratio(coresOf(seconds, measurement) * 1e6, perSecond);
}

function perParticipantKb(of: 'rssMb' | 'pssMb', { memory, participants }: Measurement): number | null {
  return ratio((memory.settled[of] - memory.idle[of]) * 1_000, participants);
}

function lossOf(lost: number, received: number): number | null {
  return ratio(100 * lost, lost + received);
}

const less = { better: 'less' } as const;
const rated = { better: 'less', perLoad: true } as const;

export const FIGURES = {
  packetsPerSecond: { title: 'packets out', unit: '/s', of: packetRate },
  mbitPerSecond: { title: 'sent to subscribers', unit: 'Mbit/s', of: (m) => bitRate(m) / 1e6 },
  cpuPerPacket: {
    title: 'CPU per packet out',
    unit: 'µs',
    ...rated,
    of: (m) => micros(window(m).seconds, packetRate(m), m),
  },
  cpuPerPacketUser: {
    title: 'user CPU per packet',
    unit: 'µs',
    ...rated,
    of: (m) => micros(window(m).userSeconds, packetRate(m), m),
  },
  cpuPerPacketSystem: {
    title: 'system CPU per packet',
    unit: 'µs',
    ...rated,
    of: (m) => micros(window(m).systemSeconds, packetRate(m), m),
  },
  cpuPerGbit: {
    title: 'CPU per Gbit out',
    unit: 's',
    ...rated,
    of: (m) => ratio(coresOf(window(m).seconds, m), bitRate(m) / 1e9),
  },
  packetsPerCpuSecond: {
    title: 'packets per CPU second',
    unit: '',
    better: 'more',
    perLoad: true,
    of: (m) => ratio(packetRate(m), coresOf(window(m).seconds, m)),
  },
  cpuCores: {
    title: 'CPU while measuring',
    unit: 'cores',
    ...rated,
    of: (m) => coresOf(window(m).seconds, m),
  },
  busiestThread: { title: 'its busiest thread', unit: '%', ...rated, of: (m) => 100 * window(m).busiestThread },
  cpuPerParticipant: {
    title: 'CPU per participant',
    unit: '% of a core',
    ...less,
    of: (m) => ratio(100 * coresOf(window(m).seconds, m), m.participants),
  },
  memoryIdle: { title: 'resident, nobody there', unit: 'MB', ...less, of: (m) => m.memory.idle.rssMb },
  memorySettled: { title: 'resident, all joined', unit: 'MB', ...less, of: (m) => m.memory.settled.rssMb },
  memoryEnd: { title: 'resident, at the end', unit: 'MB', ...less, of: (m) => m.memory.end.rssMb },
  memorySettledShared: { title: 'proportional (PSS)', unit: 'MB', ...less, of: (m) => m.memory.settled.pssMb },
  memoryPerParticipant: {
    title: 'resident per participant',
    unit: 'kB',
    ...less,
    of: (m) => perParticipantKb('rssMb', m),
  },
  memoryPerParticipantShared: {
    title: 'the same, PSS',
    unit: 'kB',
    ...less,
    of: (m) => perParticipantKb('pssMb', m),
  },
  joinP50: { title: 'join, p50', unit: 'ms', ...less, of: (m) => m.load.joins.ms.p50 },
  joinP95: { title: 'join, p95', unit: 'ms', ...less, of: (m) => m.load.joins.ms.p95 },
  joinP99: { title: 'join, p99', unit: 'ms', ...less, of: (m) => m.load.joins.ms.p99 },
  joinMax: { title: 'join, longest', unit: 'ms', ...less, of: (m) => m.load.joins.ms.max },
  connectP50: { title: 'join to connected, p50', unit: 'ms', ...less, of: (m) => m.load.connectMs.p50 },
  connectP99: { title: 'join to connected, p99', unit: 'ms', ...less, of: (m) => m.load.connectMs.p99 },
  firstMediaP50: { title: 'join to first media, p50', unit: 'ms', ...less, of: (m) => m.load.joins.firstMediaMs.p50 },
  firstMediaP99: { title: 'join to first media, p99', unit: 'ms', ...less, of: (m) => m.load.joins.firstMediaMs.p99 },
  joinCpu: {
    title: 'CPU per join',
    unit: 'ms',
    ...less,
    of: (m) => ratio(m.cpu.joining.seconds * 1_000, m.participants),
  },
  joinsPerCpuSecond: {
    title: 'joins per CPU second',
    unit: '',
    better: 'more',
    of: (m) => ratio(m.participants, m.cpu.joining.seconds),
  },
  joinsFailed: { title: 'joins that failed', unit: '', of: (m) => m.load.joins.failed },
  delayP50: { title: 'forward delay, p50', unit: 'ms', ...rated, of: (m) => m.load.delayMs.p50 },
  delayP95: { title: 'forward delay, p95', unit: 'ms', ...rated, of: (m) => m.load.delayMs.p95 },
  delayP99: { title: 'forward delay, p99', unit: 'ms', ...rated, of: (m) => m.load.delayMs.p99 },
  delayP999: { title: 'forward delay, p99.9', unit: 'ms', ...rated, of: (m) => m.load.delayMs.p999 },
  delayMax: { title: 'forward delay, longest', unit: 'ms', ...rated, of: (m) => m.load.delayMs.max },
  stayP50: { title: 'in the server at most, p50', unit: 'ms', ...rated, of: (m) => m.stays?.p50 ?? null },
  stayP99: { title: 'in the server at most, p99', unit: 'ms', ...rated, of: (m) => m.stays?.p99 ?? null },
  stayP999: { title: 'in the server at most, p99.9', unit: 'ms', ...rated, of: (m) => m.stays?.p999 ?? null },
  lossPercent: { title: 'lost', unit: '%', of: ({ load }) => lossOf(load.packets.lost, load.packets.received) },
  duplicates: { title: 'duplicates', unit: '', of: (m) => m.load.packets.duplicates },
  reordered: { title: 'reordered', unit: '', of: (m) => m.load.packets.reordered },
  retransmitted: { title: 'retransmitted', unit: '', of: (m) => m.load.packets.retransmitted },
  dataPerSecond: { title: 'data packets out', unit: '/s', of: dataRate },
  dataIn: { title: 'data packets in', unit: '/s', of: ({ load }) => load.data.sent / load.seconds },
  dataCpu: {
    title: 'CPU per data packet out',
    unit: 'µs',
    ...rated,
    of: (m) => micros(window(m).seconds, dataRate(m), m),
  },
  dataDelayP50: { title: 'data delay, p50', unit: 'ms', ...rated, of: (m) => m.load.data.delayMs.p50 },
  dataDelayP99: { title: 'data delay, p99', unit: 'ms', ...rated, of: (m) => m.load.data.delayMs.p99 },
  dataLossPercent: { title: 'data lost', unit: '%', of: ({ load }) => lossOf(load.data.lost, load.data.received) },
  signalsIn: { title: 'signal messages in', unit: '/s', of: ({ load }) => load.signals.sent / load.seconds },
  signalsOut: { title: 'signal messages out', unit: '/s', of: ({ load }) => load.signals.received / load.seconds },
  signalCpu: {
    title: 'CPU per signal message',
    unit: 'µs',
    ...rated,
    of: (m) => micros(window(m).seconds, signalRate(m), m),
  },
  signalsPerCpuSecond: {
    title: 'signal messages per CPU second',
    unit: '',
    better: 'more',
    perLoad: true,
    of: (m) => ratio(signalRate(m), coresOf(window(m).seconds, m)),
  },
  nacks: { title: 'NACKs sent', unit: '/s', of: ({ load }) => (load.feedback.nacksSent ?? 0) / load.seconds },
  plis: { title: 'PLIs at publishers', unit: '/s', of: ({ load }) => (load.feedback.plisReceived ?? 0) / load.seconds },
  packetsIn: { title: 'packets in', unit: '/s', of: ({ load }) => load.packets.sent / load.seconds },
  loadCores: { title: 'the load itself', unit: 'cores', of: ({ load }) => load.load.cpuSeconds / load.seconds },
  loadBusiest: { title: "the load's busiest thread", unit: '%', of: ({ load }) => load.load.busiestThread * 100 },
  othersCores: { title: 'everything else on the machine', unit: 'cores', of: (m) => m.others.busyCores },
} satisfies Record<string, Figure>;

export type FigureKey = keyof typeof FIGURES;

export const FIGURE_KEYS = Object.keys(FIGURES) as [FigureKey, ...FigureKey[]];

export function figure(key: FigureKey): Figure {
  return FIGURES[key];
}
