/** What a file in `bench/scenarios` may say. The load generator's request (`request.ts`) is made from it. */

import { z } from 'zod';
import { FIGURE_KEYS } from '../report/figures.ts';

const count = z.number().int().min(0).max(100_000);
const positive = z.number().int().min(1).max(100_000);
const rate = z.number().min(0).max(1_000_000);
const share = z.number().min(0).max(100);

const video = z.strictObject({
  codec: z.enum(['vp8', 'vp9']).default('vp8'),
  /** Simulcast layers, or spatial layers of one stream with `svc`. */
  layers: z.number().int().min(1).max(3).default(1),
  svc: z.boolean().default(false),
  width: positive.default(1280),
  height: positive.default(720),
  fps: z.number().min(1).max(120).default(30),
  /** Per layer, the smallest first. */
  kbps: z.array(z.number().min(1).max(100_000)).min(1).max(3),
  /** Payload of a full packet. */
  packetBytes: z.number().int().min(100).max(1_200).default(1_095),
});

const audio = z.strictObject({
  kbps: z.number().min(6).max(510).default(32),
  dtx: z.boolean().default(false),
  packetMs: z.number().int().min(10).max(120).default(20),
});

const data = z.strictObject({
  perSecond: rate,
  bytes: z.number().int().min(16).max(15_000).default(200),
  reliable: z.boolean().default(false),
});

const subscribe = z.union([
  z.boolean(),
  z.strictObject({
    video: z.enum(['all', 'speakers', 'none']).default('all'),
    audio: z.boolean().default(true),
    layer: z.enum(['high', 'medium', 'low']).default('high'),
    /** How many are shown with `video: speakers`. */
    speakers: positive.default(5),
  }),
]);

const impair = z.strictObject({
  lossPercent: share.default(0),
  delayMs: rate.default(0),
  jitterMs: rate.default(0),
  rateKbps: rate.default(0),
});

const group = z.strictObject({
  /** In each room. */
  count,
  publish: z.strictObject({ video: video.optional(), audio: audio.optional(), data: data.optional() }).optional(),
  subscribe: subscribe.default(true),
  impair: impair.optional(),
});

const server = z.strictObject({
  /** Media threads of Sluice; the others take what they take. */
  workers: z.number().int().min(0).max(62).default(1),
  /** Send-side bandwidth estimation, on both servers. */
  sendSideBwe: z.boolean().default(false),
  /** One UDP port for all media instead of one per transport, on both servers. */
  mux: z.boolean().default(false),
  /** Sluice's own counters are read at both ends of the window, which costs it some milliseconds. */
  metrics: z.boolean().default(false),
  /** The longest for which Sluice lets packets gather (`rtc.batch_io.max_flush_interval`); 0 leaves it its default. */
  maxFlushMs: z.number().min(0).max(100).default(0),
  /** From the beginning of the window Sluice's event loop stands still for so long. */
  blockMs: z.number().int().min(0).max(60_000).default(0),
});

export const scenarioSchema = z.strictObject({
  description: z.string().min(1),
  /** What the table shows; JSON and CSV have everything. */
  headline: z.array(z.enum(FIGURE_KEYS)).min(1),
  seconds: z.number().min(1).max(3_600).default(15),
  warmupSeconds: z.number().min(0).max(600).default(3),
  pairs: z.number().int().min(1).max(50).default(3),
  seed: z.number().int().min(0).default(1),
  /** Threads of the load generator. */
  threads: z.number().int().min(1).max(64).default(1),
  singlePeerConnection: z.boolean().default(false),
  server: server.prefault({}),
  rooms: positive.default(1),
  groups: z.record(z.string().regex(/^[a-z][a-z0-9-]*$/), group),
  join: z.union([
    z.strictObject({ perSecond: z.number().positive() }),
    /** So many are joining at any time. */
    z.strictObject({ atOnce: positive }),
  ]),
  /** A server that has not let everybody in or refused them by then is given up. */
  joinWithinSeconds: positive.default(300),
  /** While measuring, so many leave and others join; with `rooms` whole rooms close and open. */
  churn: z
    .strictObject({ perSecond: z.number().positive(), rooms: z.boolean().default(false) })
    .nullable()
    .default(null),
  /** Subscribers that change the layer they wish for. */
  layerSwitch: z.strictObject({ perSecond: z.number().positive() }).nullable().default(null),
  /** People who raise a hand, or take it down: an attribute, of which everybody in their room hears. */
  hands: z.strictObject({ perSecond: z.number().positive() }).nullable().default(null),
  /** Some of a group behind a line that is too thin. */
  slow: z
    .strictObject({ group: z.string(), count: positive, rateKbps: z.number().positive() })
    .nullable()
    .default(null),
});

/** `changes` are those to its file, as `--set` takes them. */
export type Scenario = z.infer<typeof scenarioSchema> & { name: string; changes: readonly string[] };
export type Group = z.infer<typeof group>;

/** What the schema of one key cannot see: empty where all is well. */
export function contradictions(scenario: Scenario): string[] {
  const found: string[] = [];
  for (const [name, { publish }] of Object.entries(scenario.groups)) {
    const picture = publish?.video;
    if (picture !== undefined && picture.kbps.length !== picture.layers) {
      const key = `groups.${name}.publish.video.kbps`;
      found.push(`${key}: ${picture.kbps.length} rates for ${picture.layers} layers`);
    }
  }
  if (scenario.slow !== null) {
    const behind = scenario.groups[scenario.slow.group];
    if (behind === undefined) found.push(`slow.group: there is no group ${scenario.slow.group}`);
    else if (scenario.slow.count > behind.count * scenario.rooms) {
      found.push(`slow.count: group ${scenario.slow.group} has only ${behind.count * scenario.rooms}`);
    }
  }
  if (participants(scenario) === 0) found.push('groups: nobody joins');
  return found;
}

/** In all rooms together. */
export function participants({ rooms, groups }: Pick<Scenario, 'rooms' | 'groups'>): number {
  return rooms * Object.values(groups).reduce((sum, { count }) => sum + count, 0);
}
