/** Measures what packets, joins and people cost here, as `sluice plan --profile` takes it. */

import { checkProfile, type Profile } from '../../ts/plan/profile.ts';
import type { Machine } from '../measure/machine.ts';
import type { Measurement } from '../measure/measurement.ts';
import { figure } from '../report/figures.ts';
import { BUSY } from './check.ts';

/** Of each scenario, one measurement a round. */
export interface Rounds {
  readonly video: readonly Measurement[];
  readonly audio: readonly Measurement[];
  /** People who only are there. */
  readonly idle: readonly Measurement[];
}

/** Throws an Error that names what could not be told from the measurements. */
export function profileOf(rounds: Rounds, machine: Machine, version: string): Profile {
  const { video, audio, idle } = rounds;
  return checkProfile(
    {
      machine: `${machine.cpu}, ${machine.cores} cores`,
      version,
      measuredAt: machine.time,
      cores: machine.cores,
      memoryMb: machine.memoryMb,
      videoUs: range(video, 'cpuPerPacket'),
      audioUs: range(audio, 'cpuPerPacket'),
      joinMs: range(idle, 'joinCpu'),
      baseMb: range(idle, 'memoryIdle').median,
      participantKb: range(idle, 'memoryPerParticipant'),
      kneeShare: BUSY,
    },
    'just measured',
  );
}

function range(measurements: readonly Measurement[], key: Parameters<typeof figure>[0]): Profile['videoUs'] {
  const { title, of } = figure(key);
  const values = measurements.map(of).filter((value) => value !== null);
  const sorted = values.sort((a, b) => a - b);
  const [low, median, high] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  if (low === undefined || median === undefined || high === undefined || low <= 0) {
    throw new Error(`nothing to tell "${title}" from: ${values.length} of ${measurements.length} rounds have it`);
  }
  return { low, median, high };
}
