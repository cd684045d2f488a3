/** `sluice plan`: flags → workload, profile, machine → a plan on the screen. */

import type { Machine } from './machine.ts';
import { type PlanOptions, plan } from './plan.ts';
import { lines } from './print.ts';
import { type Profile, readProfile } from './profile.ts';
import { REFERENCE_PROFILE } from './reference-profile.ts';
import type { Layout } from './traffic.ts';
import { parseWorkload } from './workload.ts';

/** As commander hands them over. */
export interface PlanFlags {
  readonly profile?: string;
  readonly cores?: string;
  readonly memory?: string;
  readonly gbit?: string;
  readonly udpPorts?: string;
  readonly files?: string;
  readonly headroom?: string;
  readonly layout?: string;
  readonly joinSeconds?: string;
  readonly hours?: string;
  readonly json?: boolean;
}

/** Throws an Error that names the flag, the key of the profile or the word that is wrong. */
export function printPlan(words: string, flags: PlanFlags, print: (line: string) => void): void {
  const workload = parseWorkload(words);
  const profile = flags.profile === undefined ? REFERENCE_PROFILE : readProfile(flags.profile);
  const options = readOptions(flags, profile);
  const planned = plan(workload, profile, options);
  if (flags.json) print(JSON.stringify({ workload, options, plan: planned, profile }));
  else for (const line of lines(workload, planned, profile, options)) print(line);
}

/** What is not said is the machine that the profile was measured on. */
export function readOptions(flags: PlanFlags, profile: Profile): PlanOptions {
  const machine: Machine = {
    cores: number(flags, 'cores', profile.cores, 1),
    memoryMb: flags.memory === undefined ? profile.memoryMb : number(flags, 'memory', 0, 0.25) * 1024,
    gbit: number(flags, 'gbit', 10, 0.01),
    udpPorts: number(flags, 'udpPorts', 10_001, 0),
    files: number(flags, 'files', 65_536, 1_024),
  };
  return {
    machine,
    headroom: number(flags, 'headroom', 30, 0, 95) / 100,
    layout: layout(flags.layout ?? 'speaker'),
    joinSeconds: number(flags, 'joinSeconds', 60, 1),
    hoursPerDay: number(flags, 'hours', 24, 0, 24),
  };
}

function number(flags: PlanFlags, name: keyof PlanFlags, fallback: number, least: number, most = 1e9): number {
  const text = flags[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (value >= least && value <= most) return value;
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new Error(`--${flag} "${text}" is not a number from ${least} to ${most}`);
}

function layout(text: string): Layout {
  if (text === 'speaker' || text === 'grid') return text;
  throw new Error(`--layout "${text}" is neither speaker nor grid`);
}
