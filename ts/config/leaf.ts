/** The kinds of values a config file holds: how each is read, and what to say where it can't be. */

import { z } from 'zod';

/** What flags, messages and documents need to know of a value. */
export interface LeafInfo {
  /** Completes "expected …". */
  expected: string;
  /** True where one flag or environment variable can hold it. */
  scalar: boolean;
  /** True where its flag needs no value. */
  boolean: boolean;
}

const infos = new WeakMap<z.ZodType, LeafInfo>();

/** What is known of a schema node; undefined for sections. */
export function leafInfo(schema: z.ZodType): LeafInfo | undefined {
  return infos.get(schema);
}

/** A value with a default. `read` gives undefined for what it can't take. */
function leaf<T>(expected: string, fallback: T, read: (value: unknown) => T | undefined, scalar = true) {
  const schema = z.unknown().transform((value, context): T => {
    if (value === undefined || value === null) return fallback;
    const result = read(value);
    if (result !== undefined) return result;
    context.addIssue({ code: 'custom', message: `expected ${expected}, got ${show(value)}` });
    return z.NEVER;
  });
  infos.set(schema, { expected, scalar, boolean: typeof fallback === 'boolean' });
  return schema;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export function text(fallback = '') {
  return leaf('a string', fallback, (value) =>
    typeof value === 'string'
      ? value
      : typeof value === 'number' || typeof value === 'boolean'
        ? String(value)
        : undefined,
  );
}

export function oneOf<const T extends string>(values: readonly T[], fallback: T) {
  return leaf<T>(`one of ${values.join(', ')}`, fallback, (value) => values.find((entry) => entry === value));
}

/** `yes`, `no`, `on` and `off` are what YAML 1.1 files hold. */
export function flag(fallback = false) {
  return leaf('true or false', fallback, (value) => {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'string') return undefined;
    const word = value.toLowerCase();
    if (['true', 'yes', 'on', '1'].includes(word)) return true;
    return ['false', 'no', 'off', '0', ''].includes(word) ? false : undefined;
  });
}

export function integer(fallback = 0, min = -(2 ** 53), max = 2 ** 53) {
  const expected =
    min >= 0
      ? max < 2 ** 53
        ? `a whole number from ${min} to ${max}`
        : 'a whole number, 0 or more'
      : 'a whole number';
  return leaf(expected, fallback, (value) => {
    const number = toNumber(value);
    return number !== undefined && Number.isInteger(number) && number >= min && number <= max ? number : undefined;
  });
}

export function count(fallback = 0) {
  return integer(fallback, 0);
}

export function port(fallback = 0) {
  return integer(fallback, 0, 65_535);
}

export function decimal(fallback = 0) {
  return leaf('a number', fallback, toNumber);
}

/** Go's YAML reader takes `1_000_000`; so do we. */
function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || !/^-?\d[\d_]*(\.\d+)?$/.test(value)) return undefined;
  return Number(value.replaceAll('_', ''));
}

const UNIT_MS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `1h30m`, `5s`, `500ms`; a bare number counts nanoseconds, as in livekit-server. In milliseconds. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value / 1e6 : undefined;
  if (typeof value !== 'string') return undefined;
  const source = value.trim();
  if (/^-?\d+$/.test(source)) return Number(source) / 1e6;
  const body = source.replace(/^-/, '');
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(body)) return undefined;
  let total = 0;
  for (const [, amount, unit] of body.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  return source.startsWith('-') ? -total : total;
}

/** Held in milliseconds; `fallback` is written as in a file. */
export function duration(fallback = '0s') {
  return leaf('a duration such as 500ms, 5s or 1m', parseDuration(fallback) ?? 0, parseDuration);
}

/** True, false, or not said. */
export function maybeFlag() {
  return leaf<boolean | undefined>('true or false', undefined, (value) =>
    value === true || value === 'true' ? true : value === false || value === 'false' ? false : undefined,
  );
}

export interface PortRange {
  start: number;
  end: number;
}

/** A port, or `first-last`; undefined for 0. */
export function portRange() {
  return leaf<PortRange | undefined>('a port or a range such as 7882-7892', undefined, (value) => {
    const match = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(String(value).trim());
    if (match === null) return undefined;
    const start = Number(match[1]);
    const end = Number(match[2] ?? match[1]);
    return start <= end && end <= 65_535 ? { start, end } : undefined;
  });
}

export interface NodeIp {
  v4: string;
  v6: string;
}

/** `192.0.2.1`, `2001:db8::1`, or both joined by a comma. */
export function nodeIp() {
  return leaf<NodeIp>('an IPv4 address, an IPv6 address, or both joined by a comma', { v4: '', v6: '' }, readNodeIp);
}

function readNodeIp(value: unknown): NodeIp | undefined {
  if (typeof value !== 'string') return undefined;
  const result: NodeIp = { v4: '', v6: '' };
  for (const part of value.split(',').map((entry) => entry.trim())) {
    if (z.ipv4().safeParse(part).success && result.v4 === '') result.v4 = part;
    else if (z.ipv6().safeParse(part).success && result.v6 === '') result.v6 = part;
    else if (part !== '') return undefined;
  }
  return result;
}

export function textList(fallback: string[] = []) {
  return leaf(
    'a list of strings',
    fallback,
    (value) =>
      Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? (value as string[]) : undefined,
    false,
  );
}

export function durationList(fallback: string[]) {
  return leaf(
    'a list of durations',
    fallback.map((entry) => parseDuration(entry) ?? 0),
    (value) => {
      if (!Array.isArray(value)) return undefined;
      const durations = value.map(parseDuration);
      return durations.every((entry) => entry !== undefined) ? (durations as number[]) : undefined;
    },
    false,
  );
}

export function textMap() {
  return leaf<Record<string, string>>(
    'a map of strings',
    {},
    (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, String(entry)]));
    },
    false,
  );
}

/** Whatever shape; checked by whoever reads it. */
export function anyMap() {
  return leaf<Record<string, unknown>>(
    'a map',
    {},
    (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (value as Record<string, unknown>)
        : undefined,
    false,
  );
}

const sectionShapes = new WeakMap<z.ZodType, z.ZodRawShape>();

/** The keys of a section; undefined for values and lists. */
export function sectionShape(schema: z.ZodType): z.ZodRawShape | undefined {
  return sectionShapes.get(schema);
}

const listShapes = new WeakMap<z.ZodType, z.ZodRawShape>();

/** The keys of each entry of a list of sections. */
export function listShape(schema: z.ZodType): z.ZodRawShape | undefined {
  return listShapes.get(schema);
}

/** A part of the file with keys of its own; absent means all defaults. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  const schema = z.preprocess(
    (value) => withEveryKey(value ?? {}, shape),
    z.object(shape, { error: 'expected a section with keys of its own' }),
  );
  sectionShapes.set(schema, shape);
  return schema;
}

/** A list of sections. */
export function sections<Shape extends z.ZodRawShape>(shape: Shape) {
  const schema = z.preprocess((value) => value ?? [], z.array(section(shape), { error: 'expected a list' }));
  listShapes.set(schema, shape);
  return schema;
}

/** Absent keys become null, which every value reads as its default. */
function withEveryKey(value: unknown, shape: z.ZodRawShape): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return { ...Object.fromEntries(Object.keys(shape).map((key) => [key, null])), ...value };
}
