/** What one machine was measured to need: the file that `npm run bench -- plan --measure` writes. */

import { readFileSync } from 'node:fs';
import { z } from 'zod';

const figure = z
  .strictObject({ median: z.number().positive(), low: z.number().positive(), high: z.number().positive() })
  .refine(({ low, median, high }) => low <= median && median <= high, 'low ≤ median ≤ high does not hold');

const profile = z.strictObject({
  /** Who measured what: for people. */
  machine: z.string(),
  version: z.string(),
  measuredAt: z.string(),
  cores: z.number().int().positive(),
  memoryMb: z.number().positive(),
  /** CPU microseconds per packet out, everything that goes with it counted. */
  videoUs: figure,
  audioUs: figure,
  /** CPU milliseconds per join, from the first byte to connected transports. */
  joinMs: figure,
  /** Resident, of a server without anybody. */
  baseMb: z.number().positive(),
  /** Resident, per idle participant. */
  participantKb: figure,
  /** Share of its cores' time at which the server was last seen without loss and late packets. */
  kneeShare: z.number().positive().max(1),
});

export type Profile = Readonly<z.infer<typeof profile>>;
export type Figure = Profile['videoUs'];

/** Throws an Error that names the file and the key. */
export function readProfile(file: string): Profile {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`profile ${file}: ${(error as Error).message}`);
  }
  return checkProfile(content, file);
}

/** Throws an Error that names the key; `from` says where it comes from. */
export function checkProfile(content: unknown, from: string): Profile {
  const checked = profile.safeParse(content);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new Error(`profile ${from}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message}`);
}
