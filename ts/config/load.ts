/**
 * From files, flags and environment to a checked Config: defaults ← YAML ← environment ← flags (livekit-facts 9.1).
 * Every complaint names the key, where it was set, and what was expected.
 */

import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { leafInfo, listShape, sectionShape } from './leaf.ts';
import { type Config, schema } from './schema.ts';
import { nearest } from './spelling.ts';

/** Everything wrong with a configuration, one complaint a line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly complaints: string[];

  constructor(complaints: string[]) {
    super(complaints.join('\n'));
    this.complaints = complaints;
  }
}

/** A value from the command line or the environment. */
export interface Override {
  /** For example `rtc.tcp_port`. */
  path: string;
  value: unknown;
  /** For messages: `--rtc.tcp_port` or `LIVEKIT_RTC_TCP_PORT`. */
  source: string;
}

export interface LoadOptions {
  /** Path of `--config`. */
  file?: string | undefined;
  /** Text of `--config-body`; wins over the file. */
  body?: string | undefined;
  /** In rising precedence. */
  overrides: Override[];
  /** False for `--disable-strict-config`: unknown keys are reported in `ignored` instead. */
  strict: boolean;
}

export interface Loaded {
  config: Config;
  /** Paths of every key that somebody set. */
  set: string[];
  /** Complaints about unknown keys that were let pass. */
  ignored: string[];
}

type Raw = Record<string, unknown>;

export function loadConfig(options: LoadOptions): Loaded {
  const origin = options.body !== undefined && options.body !== '' ? '--config-body' : (options.file ?? '');
  const yaml = new YamlText(origin, readText(options));
  const unknown = unknownKeys(schema, yaml.raw, [], yaml);
  if (unknown.length > 0 && options.strict) throw new ConfigError(unknown);
  const sources = new Map<string, string>();
  for (const { path, value, source } of options.overrides) {
    setPath(yaml.raw, path.split('.'), value);
    sources.set(path, source);
  }
  const result = schema.safeParse(yaml.raw);
  if (!result.success) {
    throw new ConfigError(result.error.issues.map((issue) => complain(issue, sources, yaml)));
  }
  return { config: result.data, set: setPaths(schema, yaml.raw, []), ignored: unknown };
}

function readText(options: LoadOptions): string {
  if (options.body !== undefined && options.body !== '') return options.body;
  if (options.file === undefined || options.file === '') return '';
  try {
    return readFileSync(options.file, 'utf8');
  } catch (error) {
    throw new ConfigError([`could not read config file ${options.file}: ${(error as Error).message}`]);
  }
}

/** A YAML document that knows on which line each key stands. */
class YamlText {
  readonly raw: Raw;
  readonly #origin: string;
  readonly #contents: Node | null;
  readonly #lines = new LineCounter();

  constructor(origin: string, text: string) {
    this.#origin = origin;
    const document = parseDocument(text, { lineCounter: this.#lines, merge: true });
    const [error] = document.errors;
    if (error !== undefined) {
      throw new ConfigError([`could not parse ${origin}: ${error.message}`]);
    }
    this.#contents = document.contents;
    const value: unknown = document.toJS() ?? {};
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw new ConfigError([`could not parse ${origin}: expected a map of keys`]);
    }
    this.raw = value as Raw;
  }

  /** `(line 12 of livekit.yaml)`, or nothing for a key that is not in the text. */
  where(path: PropertyKey[]): string {
    let node: Node | null | undefined = this.#contents;
    let line = '';
    for (const key of path) {
      if (!isMap(node)) break;
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) break;
      const range = isScalar(pair.key) ? pair.key.range : undefined;
      if (range)
        line = ` (line ${this.#lines.linePos(range[0]).line}${this.#origin === '' ? '' : ` of ${this.#origin}`})`;
      node = pair.value as Node | null;
    }
    return line;
  }
}

function unknownKeys(node: z.ZodType, value: unknown, path: PropertyKey[], yaml: YamlText): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const entries = listShape(node);
  if (entries !== undefined && Array.isArray(value)) {
    return value.flatMap((entry, index) => unknownIn(entries, entry, [...path, index], yaml));
  }
  const shape = sectionShape(node);
  return shape === undefined ? [] : unknownIn(shape, value, path, yaml);
}

function unknownIn(shape: z.ZodRawShape, value: unknown, path: PropertyKey[], yaml: YamlText): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, entry]) => {
    const child = shape[key];
    const here = [...path, key];
    if (child !== undefined) return unknownKeys(child as z.ZodType, entry, here, yaml);
    const guess = nearest(key, Object.keys(shape));
    const hint = guess === undefined ? '' : `; did you mean ${[...path, guess].join('.')}?`;
    return [`unknown key ${here.join('.')}${yaml.where(here)}${hint}`];
  });
}

function complain(issue: z.core.$ZodIssue, sources: Map<string, string>, yaml: YamlText): string {
  const key = issue.path.join('.');
  const source = sources.get(key);
  return `${key}: ${issue.message}${source === undefined ? yaml.where(issue.path) : ` (from ${source})`}`;
}

function setPath(raw: Raw, path: string[], value: unknown): void {
  let node = raw;
  for (const key of path.slice(0, -1)) {
    const child = node[key];
    const next: Raw = typeof child === 'object' && child !== null && !Array.isArray(child) ? (child as Raw) : {};
    node[key] = next;
    node = next;
  }
  const last = path.at(-1);
  if (last !== undefined) node[last] = value;
}

function setPaths(node: z.ZodType, value: unknown, path: string[]): string[] {
  const shape = sectionShape(node);
  if (shape === undefined || typeof value !== 'object' || value === null) return value == null ? [] : [path.join('.')];
  return Object.entries(value).flatMap(([key, entry]) => {
    const child = shape[key];
    return child === undefined ? [] : setPaths(child as z.ZodType, entry, [...path, key]);
  });
}

/** Every value of the file that a flag can hold, by path. */
export function scalarPaths(): { path: string; boolean: boolean; expected: string }[] {
  return leafPaths().filter((leaf) => leaf.scalar);
}

/** Every value of the file, by path; the keys inside lists are not paths. */
export function leafPaths(node: z.ZodType = schema, path: string[] = []) {
  const shape = sectionShape(node);
  if (shape === undefined) {
    const info = leafInfo(node) ?? { expected: 'a list', scalar: false, boolean: false };
    return [{ path: path.join('.'), ...info }];
  }
  return Object.entries(shape).flatMap(
    ([key, child]): { path: string; scalar: boolean; boolean: boolean; expected: string }[] =>
      leafPaths(child as z.ZodType, [...path, key]),
  );
}
