/** What the load generator's `floor` measures: the least that each step of forwarding costs on this machine. */

import { once } from 'node:events';
import { z } from 'zod';
import type { Scenario } from '../scenario/schema.ts';
import type { Network } from '../servers/network.ts';
import { end } from '../servers/server.ts';

const nanoseconds = z.number().nullable();
/** CPU of each datagram sent: at the load's rate, and as fast as it goes. */
const loop = z.object({
  perPacketNs: nanoseconds,
  saturatedNs: nanoseconds,
  receivers: z.number(),
  bytes: z.number(),
  train: z.number(),
  trainsPerSecond: z.number(),
});

const floorSchema = z.object({
  rounds: z.number(),
  steps: z.array(
    z.object({
      step: z.string(),
      mode: z.string(),
      bytes: z.number(),
      train: z.number(),
      ns: nanoseconds,
      least: nanoseconds,
      most: nanoseconds,
    }),
  ),
  loops: z.object({ video: loop, audio: loop }),
});

export type Floor = z.infer<typeof floorSchema>;

/** A scenario in the floor's words: one stream, or several alike, to many. */
export interface FloorLoad {
  kind: 'video' | 'audio';
  receivers: number;
  bytes: number;
  /** Packets of a frame. */
  train: number;
  trainsPerSecond: number;
}

/** Undefined for what is more than streams of one kind, without layers, from some to others. */
export function floorLoad({ rooms, groups }: Scenario): FloorLoad | undefined {
  const sending = Object.values(groups).filter(({ count, publish }) => count > 0 && publish !== undefined);
  const listening = Object.values(groups).filter(
    ({ publish, subscribe }) => publish === undefined && subscribe === true,
  );
  const receivers = listening.reduce((sum, { count }) => sum + count, 0);
  const [sender] = sending;
  if (rooms > 1 || sending.length !== 1 || sender?.subscribe !== false || receivers === 0) return undefined;
  const { count, publish: { video, audio, data } = {} } = sender;
  if (receivers > MOST_RECEIVERS || data !== undefined) return undefined;
  if (video !== undefined && audio === undefined && video.layers === 1) {
    const frame = ((video.kbps[0] ?? 0) * 125) / video.fps;
    const train = Math.max(1, Math.round(frame / video.packetBytes));
    const bytes = Math.min(video.packetBytes, Math.round(frame));
    return { kind: 'video', receivers, bytes, train, trainsPerSecond: Math.round(count * video.fps) };
  }
  if (audio === undefined || video !== undefined || audio.dtx) return undefined;
  const bytes = Math.round((audio.kbps * audio.packetMs) / 8) + AUDIO_OVERHEAD;
  return { kind: 'audio', receivers, bytes, train: 1, trainsPerSecond: Math.round((count * 1_000) / audio.packetMs) };
}

/** Over the same cable as the servers. Without a load, those of `livestream` and `audio-rooms` are measured. */
export async function measureFloor(
  [program, ...args]: readonly [string, ...string[]],
  network: Network,
  signal: AbortSignal,
  load?: FloorLoad,
): Promise<Floor> {
  const { host, far } = network;
  const words = ['floor', '--bind', host, '--to', far.host];
  if (far.namespace !== undefined) words.push('--namespace', far.namespace);
  if (load !== undefined) {
    words.push(`--${load.kind}`, [load.receivers, load.bytes, load.train, load.trainsPerSecond].join(','));
  }
  const child = network.spawn('server', program, [...args, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = () => child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  try {
    const [code] = await once(child, 'close');
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`the load generator could not measure the floor (code ${code})`);
    return floorSchema.parse(JSON.parse(text));
  } finally {
    signal.removeEventListener('abort', stop);
    await end(child);
  }
}

/** CPU microseconds that a packet of this load costs at least; null where it was not measured. */
export function floorUs(floor: Floor, load: FloorLoad): number | null {
  const found = floor.loops[load.kind].perPacketNs;
  return found === null ? null : found / 1_000;
}

/** A line per step, then the loops that consist of them. */
export function describeFloor({ steps, loops }: Floor): string[] {
  const rows = steps.map(({ step, mode, bytes, train, ns, least, most }) => [
    `${step} ${mode}`.trim(),
    `${bytes} B`,
    train > 1 ? `×${train}` : '',
    `${ns} ns`,
    `(${least}–${most})`,
  ]);
  const width = (index: number) => Math.max(0, ...rows.map((row) => row[index]?.length ?? 0));
  const lines = rows.map((row) =>
    row.map((cell, index) => cell[index > 0 ? 'padStart' : 'padEnd'](width(index))).join('  '),
  );
  const whole = Object.entries(loops).map(
    ([kind, { receivers, bytes, train, trainsPerSecond, perPacketNs, saturatedNs }]) => {
      const shape = `${trainsPerSecond}/s of ${train} × ${bytes} B to ${receivers}`;
      return `${kind}, ${shape}: ${perPacketNs} ns per packet out, ${saturatedNs} ns when saturated`;
    },
  );
  return [...lines, '', ...whole];
}

/** What the floor takes. */
const MOST_RECEIVERS = 1_000;
/** RTP header, its extension and the tag of AES-GCM. */
const AUDIO_OVERHEAD = 12 + 8 + 16;
