import type { Profile } from './profile.ts';

/** Used where none is given: a small virtual machine, so plans for large ones made with it are on the safe side. */
export const REFERENCE_PROFILE: Profile = {
  machine: '2 shared virtual cores (x86-64, AES-NI), 24 GiB',
  version: '0.1.0',
  measuredAt: '2026-11-23',
  cores: 2,
  memoryMb: 24_000,
  videoUs: { median: 3, low: 2, high: 4.5 },
  audioUs: { median: 4, low: 3, high: 6 },
  joinMs: { median: 6, low: 4, high: 9 },
  baseMb: 120,
  participantKb: { median: 200, low: 150, high: 300 },
  kneeShare: 0.8,
};
