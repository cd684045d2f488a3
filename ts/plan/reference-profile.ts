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
  videoUs: { median: 3.21, low: 2.71, high: 3.31 },
  audioUs: { median: 6.84, low: 6.78, high: 7 },
  joinMs: { median: 4.79, low: 3.98, high: 5.35 },
  baseMb: 117,
  participantKb: { median: 65.7, low: 57.2, high: 73.1 },
  kneeShare: 0.8,
};
