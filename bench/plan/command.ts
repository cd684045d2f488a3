/** `npm run bench -- plan`: a profile of this machine, a plan from it, and a ramp that checks what it predicts. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type PlanFlags, printPlan } from '../../ts/plan/command.ts';
import { type Profile, readProfile } from '../../ts/plan/profile.ts';
import { ProgressLine } from '../report/progress.ts';
import { rampTable } from '../report/ramp-table.ts';
import { runRamp } from '../scenario/ramp.ts';
import type { Setup } from '../setup.ts';
import { predict, stepsAround, verdict } from './check.ts';
import { measureProfile, packetsEach, scenario } from './measuring.ts';

export interface PlanOptions extends PlanFlags {
  readonly profile: string;
  readonly measure?: boolean;
  readonly check?: boolean;
  readonly rounds: number;
  readonly seconds?: number;
}

/** Without servers and load: words alone, with a profile that there is. */
export function needsServers({ profile, measure: wanted, check }: PlanOptions): boolean {
  return wanted === true || check === true || !existsSync(profile);
}

/** Measures where it is asked to or there is no profile yet, then checks, then plans. Rejects when the signal fires. */
export async function planFrom(
  words: string,
  options: PlanOptions,
  setup: Setup | undefined,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  if (setup !== undefined && (options.measure === true || !existsSync(options.profile))) {
    const profile = await measureProfile(options, setup, signal);
    mkdirSync(dirname(options.profile), { recursive: true });
    writeFileSync(options.profile, `${JSON.stringify(profile, null, 2)}\n`);
    print(`wrote ${options.profile}`);
    for (const line of describeProfile(profile)) print(line);
  }
  if (setup !== undefined && options.check === true) {
    await check(readProfile(options.profile), options, setup, print, signal);
  }
  if (words !== '') printPlan(words, options, print);
}

/** Of one stream and its viewers, on as many media threads as the scenario has. */
async function check(
  profile: Profile,
  options: PlanOptions,
  setup: Setup,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const base = scenario('livestream', options);
  const threads = Math.max(1, base.server.workers);
  const predicted = predict(profile.videoUs.median, packetsEach(base), threads);
  print(
    `predicted: ${predicted} viewers with ${threads} media thread${threads === 1 ? '' : 's'} (${base.description})`,
  );
  const vary = `groups.viewers.count=${stepsAround(predicted).join(',')}`;
  const changes = options.seconds === undefined ? [] : [`seconds=${options.seconds}`];
  const [ramp] = await runRamp('livestream', vary, changes, setup, new ProgressLine(), signal);
  if (ramp === undefined) throw new Error('there is no server to measure');
  for (const line of [...rampTable(ramp), verdict(ramp, predicted)]) print(line);
}

function describeProfile({ videoUs, audioUs, joinMs, participantKb, baseMb }: Profile): string[] {
  const range = ({ median, low, high }: Profile['videoUs'], unit: string) =>
    `${median.toFixed(2)} ${unit} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return [
    `video packet  ${range(videoUs, 'µs')}`,
    `audio packet  ${range(audioUs, 'µs')}`,
    `join          ${range(joinMs, 'ms')}`,
    `participant   ${range(participantKb, 'kB')}`,
    `idle server   ${baseMb.toFixed(0)} MB`,
  ];
}
