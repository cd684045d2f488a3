import type { Profile } from './profile.ts';

/**
 * Used where none is given, as `npm run bench -- plan --measure` found it, the load on the same cores: a small virtual
 * machine, so plans for large ones made with it are on the safe side.
 */
export const REFERENCE_PROFILE: Profile = {
  machine: 'AMD EPYC, 2 shared virtual cores, 25 GB',
  version: '0.1.0',
  measuredAt: '2026-11-23',
  cores: 2,
  memoryMb: 25_277,
  videoUs: { median: 3.94, low: 3.85, high: 4.38 },
  audioUs: { median: 9.15, low: 8.78, high: 9.59 },
  joinMs: { median: 5.81, low: 4.86, high: 6.69 },
  baseMb: 107,
  participantKb: { median: 98.8, low: 82.3, high: 99 },
  kneeShare: 0.8,
};
