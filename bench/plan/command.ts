/** `npm run bench -- plan`: a profile of this machine, a plan from it, and a ramp that checks what it predicts. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type PlanFlags, printPlan } from '../../ts/plan/command.ts';
import { type Profile, readProfile } from '../../ts/plan/profile.ts';
import { machine } from '../measure/machine.ts';
import { measure } from '../measure/measure.ts';
import type { Measurement } from '../measure/measurement.ts';
import { ProgressLine } from '../report/progress.ts';
import { rampTable } from '../report/ramp-table.ts';
import { loadScenario } from '../scenario/load.ts';
import { runRamp } from '../scenario/ramp.ts';
import type { Scenario } from '../scenario/schema.ts';
import type { Setup } from '../setup.ts';
import { predict, stepsAround, verdict } from './check.ts';
import { profileOf } from './profile.ts';

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

async function measureProfile(options: PlanOptions, setup: Setup, signal: AbortSignal): Promise<Profile> {
  const about = machine();
  const rounds: Record<'video' | 'audio' | 'idle', Measurement[]> = { video: [], audio: [], idle: [] };
  const scenarios = {
    video: scenario('livestream', options, ['groups.viewers.count=200']),
    audio: scenario('audio-rooms', options),
    idle: scenario('idle-viewers', options),
  };
  for (let round = 0; round < options.rounds; round++) {
    for (const name of ['video', 'audio', 'idle'] as const) {
      rounds[name].push(
        await measureOne(scenarios[name], setup, `profile ${round + 1}/${options.rounds}: ${name}`, signal),
      );
    }
  }
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return profileOf(rounds, about, version);
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
  const predicted = predict(profile.videoUs.median, packetsPerViewer(base), threads);
  print(
    `predicted: ${predicted} viewers with ${threads} media thread${threads === 1 ? '' : 's'} (${base.description})`,
  );
  const vary = `groups.viewers.count=${stepsAround(predicted).join(',')}`;
  const changes = options.seconds === undefined ? [] : [`seconds=${options.seconds}`];
  const [ramp] = await runRamp('livestream', vary, changes, setup, new ProgressLine(), signal);
  if (ramp === undefined) throw new Error('there is no server to measure');
  for (const line of [...rampTable(ramp), verdict(ramp, predicted)]) print(line);
}

function scenario(name: string, { seconds }: PlanOptions, more: readonly string[] = []): Scenario {
  return loadScenario(name, [...(seconds === undefined ? [] : [`seconds=${seconds}`]), ...more]);
}

async function measureOne(of: Scenario, setup: Setup, title: string, signal: AbortSignal): Promise<Measurement> {
  const [ours] = setup.servers;
  if (ours === undefined) throw new Error('there is no server to measure');
  const progress = new ProgressLine();
  progress.begin(title);
  const onProgress = (step: Parameters<ProgressLine['handle']>[0]) => progress.handle(step);
  const measured = await measure(ours, of, { network: setup.network, load: setup.load, onProgress, signal });
  const { saturated, reason } = measured.load.load;
  progress.end(saturated ? `the load generator was the bottleneck: ${reason}` : 'done');
  return measured;
}

/** As the load generator cuts frames. */
function packetsPerViewer({ groups }: Scenario): number {
  const pictures = Object.values(groups).flatMap(({ count, publish }) =>
    publish?.video === undefined ? [] : [{ count, video: publish.video }],
  );
  return pictures.reduce((sum, { count, video }) => {
    const bytes = ((video.kbps.at(-1) ?? 0) * 1_000) / 8 / video.fps;
    return sum + count * Math.ceil(bytes / video.packetBytes) * video.fps;
  }, 0);
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
