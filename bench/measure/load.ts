/** Runs the load generator (`bench/load`) and reads what it says, line by line. */

import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { LoadRequest } from '../scenario/request.ts';

const number = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);
/** Null where nothing was counted. */
const maybe = z
  .number()
  .nullish()
  .transform((value) => value ?? null);
const percentiles = z.object({ p50: maybe, p95: maybe, p99: maybe, p999: maybe, max: maybe });
const nothing = { p50: null, p95: null, p99: null, p999: null, max: null };
const times = percentiles.nullish().transform((value) => value ?? nothing);

const report = z.object({
  seconds: z.number(),
  streams: number,
  packets: z.object({
    received: z.number(),
    sent: z.number(),
    lost: number,
    duplicates: number,
    reordered: number,
    retransmitted: number,
  }),
  bytes: z.object({ received: z.number(), sent: z.number() }),
  delayMs: times,
  data: z
    .object({ sent: number, received: number, lost: number, delayMs: times })
    .nullish()
    .transform((value) => value ?? { sent: 0, received: 0, lost: 0, delayMs: nothing }),
  feedback: z
    .object({ nacksSent: number, plisReceived: number, keyFramesSent: number, rrSent: number, twccSent: number })
    .partial()
    .nullish()
    .transform((value) => value ?? {}),
  signals: z
    .object({ sent: number, received: number })
    .nullish()
    .transform((value) => value ?? { sent: 0, received: 0 }),
  joins: z.object({
    ok: z.number(),
    failed: z.number(),
    byReason: z.record(z.string(), z.number()).default({}),
    ms: times,
    firstMediaMs: times,
  }),
  load: z.object({
    cpuSeconds: number,
    busiestThread: number,
    socketDrops: number,
    saturated: z.boolean(),
    reason: z.string().nullish(),
  }),
  srtp: z.string().nullish(),
  connectMs: times,
});

export type LoadReport = z.infer<typeof report>;
export type Percentiles = z.infer<typeof percentiles>;

const progress = z.object({
  event: z.literal('progress'),
  phase: z.string(),
  joined: number,
  failed: number,
  of: number,
  packetsPerSecond: z.number().nullish(),
});

const line = z.discriminatedUnion('event', [
  progress,
  z.object({ event: z.literal('settled') }),
  z.object({ event: z.literal('measuring') }),
  z.object({ event: z.literal('measured'), window: report }),
  z.object({ event: z.literal('done'), report }),
  z.object({ event: z.literal('error'), message: z.string() }),
]);

export type Progress = z.infer<typeof progress>;
export type LoadEvent = z.infer<typeof line>;

export class LoadError extends Error {
  override name = 'LoadError';
}

/**
 * Hands the request over and calls `onEvent` for each line, as it comes. Resolves with the report of the window; rejects
 * with what the load generator complains of, or with the reason of the signal.
 */
export async function runLoad(
  child: ChildProcess,
  request: LoadRequest,
  onEvent: (event: LoadEvent) => void,
  signal: AbortSignal,
): Promise<LoadReport> {
  if (child.stdin === null || child.stdout === null || child.stderr === null) throw new Error('the load has no pipes');
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-KEPT_COMPLAINTS);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('close', (code, by) => resolve(`ended with ${by ?? `code ${code}`}`));
  });
  // One that ended before it read everything says why by itself.
  child.stdin.on('error', () => {});
  child.stdin.end(`${JSON.stringify(request)}\n`);
  let window: LoadReport | undefined;
  const lines = createInterface({ input: child.stdout });
  const stop = () => lines.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const text of lines) {
      const event = parseLine(text);
      onEvent(event);
      if (event.event === 'error') throw new LoadError(event.message);
      if (event.event === 'measured') window = event.window;
      if (event.event === 'done') break;
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', stop);
    lines.close();
  }
  if (window !== undefined) return window;
  throw new LoadError(`the load generator ${await ended} without a report${complaints && `:\n${complaints.trim()}`}`);
}

function parseLine(text: string): LoadEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LoadError(`the load generator said what is not JSON: ${text.slice(0, 200)}`);
  }
  const checked = line.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new LoadError(`the load generator's line is wrong at ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Characters of its error output that a message ends with. */
const KEPT_COMPLAINTS = 2_000;
