/** Measures this machine for a profile: what packets cost near the knee, and what joins and people take. */

import { readFileSync } from 'node:fs';
import type { Profile } from '../../ts/plan/profile.ts';
import { machine } from '../measure/machine.ts';
import { measure } from '../measure/measure.ts';
import type { Measurement } from '../measure/measurement.ts';
import { FIGURES } from '../report/figures.ts';
import { ProgressLine } from '../report/progress.ts';
import { loadScenario } from '../scenario/load.ts';
import type { Scenario } from '../scenario/schema.ts';
import type { Setup } from '../setup.ts';
import { predict } from './check.ts';
import { profileOf } from './profile.ts';

export interface MeasuringOptions {
  readonly rounds: number;
  /** Length of a measurement. */
  readonly seconds?: number;
}

/** Rejects when the signal fires, and where a figure can't be told. */
export async function measureProfile(options: MeasuringOptions, setup: Setup, signal: AbortSignal): Promise<Profile> {
  const about = machine();
  const run = (of: Scenario, title: string) => measureOne(of, setup, `profile ${title}`, signal);
  const scenarios = {
    video: await nearTheKnee('livestream', 'viewers', 200, options, (of) => run(of, 'first look at video')),
    audio: await nearTheKnee('audio-rooms', 'listeners', 50, options, (of) => run(of, 'first look at audio')),
    idle: scenario('idle-viewers', options),
  };
  const rounds: Record<keyof typeof scenarios, Measurement[]> = { video: [], audio: [], idle: [] };
  for (let round = 0; round < options.rounds; round++) {
    for (const name of ['video', 'audio', 'idle'] as const) {
      rounds[name].push(await run(scenarios[name], `${round + 1}/${options.rounds}: ${name}`));
    }
  }
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return profileOf(rounds, about, version);
}

/** With a length of its own where one is given. */
export function scenario(
  name: string,
  { seconds }: Pick<MeasuringOptions, 'seconds'>,
  more: readonly string[] = [],
): Scenario {
  return loadScenario(name, [...(seconds === undefined ? [] : [`seconds=${seconds}`]), ...more]);
}

/** Packets a second that each receiver of the scenario gets, as the load generator cuts frames. */
export function packetsEach({ groups }: Scenario): number {
  return Object.values(groups).reduce((sum, { count, publish }) => {
    const { video, audio } = publish ?? {};
    const bytes = video === undefined ? 0 : ((video.kbps.at(-1) ?? 0) * 1_000) / 8 / video.fps;
    const pictures = video === undefined ? 0 : Math.ceil(bytes / video.packetBytes) * video.fps;
    const sounds = audio === undefined ? 0 : 1_000 / audio.packetMs;
    return sum + count * (pictures + sounds);
  }, 0);
}

/** As many receivers as a plan would put there, by what a packet costs with `few` of them. */
async function nearTheKnee(
  name: string,
  group: string,
  few: number,
  options: MeasuringOptions,
  run: (of: Scenario) => Promise<Measurement>,
): Promise<Scenario> {
  const withCount = (count: number) => scenario(name, options, [`groups.${group}.count=${count}`]);
  const first = withCount(few);
  const cost = FIGURES.cpuPerPacket.of(await run(first));
  if (cost === null) throw new Error(`nothing came through with ${few} ${group}`);
  const full = predict(cost, packetsEach(first), Math.max(1, first.server.workers));
  return withCount(Math.min(MOST, Math.max(few, Math.round(full * PLANNED))));
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

/** Plans keep 30 % free. */
const PLANNED = 0.7;
/** The load generator is on the same machine. */
const MOST = 1_500;
