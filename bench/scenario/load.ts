/** Reads a scenario: file ← `--set`. Every complaint names the file and the key. */

import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { z } from 'zod';
import { nearest } from '../../ts/config/spelling.ts';
import { contradictions, type Scenario, scenarioSchema } from './schema.ts';

const FOLDER = new URL('../scenarios/', import.meta.url);

export class ScenarioError extends Error {
  override name = 'ScenarioError';
}

export function scenarioNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

/** `overrides` are as `--set` takes them: `groups.viewers.count=50`, values in YAML. Throws a ScenarioError. */
export function loadScenario(name: string, overrides: readonly string[] = []): Scenario {
  const names = scenarioNames();
  if (!names.includes(name)) {
    const guess = nearest(name, names);
    const hint = guess === undefined ? `there are ${names.join(', ')}` : `did you mean ${guess}?`;
    throw new ScenarioError(`no scenario ${name}: ${hint}`);
  }
  return readScenario(name, readFileSync(new URL(`${name}.yaml`, FOLDER), 'utf8'), overrides);
}

export function readScenario(name: string, text: string, overrides: readonly string[] = []): Scenario {
  const raw: unknown = parseYaml(text, `${name}.yaml`);
  if (!isMap(raw)) throw new ScenarioError(`${name}.yaml: expected a map of keys`);
  for (const override of overrides) apply(raw, override);
  const checked = scenarioSchema.safeParse(raw);
  if (!checked.success) {
    throw new ScenarioError(checked.error.issues.flatMap((issue) => complain(name, issue)).join('\n'));
  }
  const scenario = { name, changes: overrides, ...checked.data };
  const contradicting = contradictions(scenario);
  if (contradicting.length > 0) throw new ScenarioError(contradicting.map((text) => `${name}: ${text}`).join('\n'));
  return scenario;
}

function parseYaml(text: string, from: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ScenarioError(`${from}: ${(error as Error).message}`);
  }
}

function apply(raw: Record<string, unknown>, override: string): void {
  const [, path, text] = /^([\w.-]+)=(.*)$/s.exec(override) ?? [];
  if (path === undefined || text === undefined) {
    throw new ScenarioError(`--set ${override}: expected key=value, as in groups.viewers.count=50`);
  }
  const keys = path.split('.');
  refuseNewGroup(raw, keys);
  let node = raw;
  for (const key of keys.slice(0, -1)) {
    const child = Object.hasOwn(node, key) ? node[key] : undefined;
    const next = isMap(child) ? child : {};
    node[key] = next;
    node = next;
  }
  node[keys.at(-1) ?? ''] = parseYaml(text, `--set ${override}`);
}

/** Of a name that is misspelt; a group that is new altogether is set as a whole. */
function refuseNewGroup({ groups }: Record<string, unknown>, [section, name = '', ...rest]: string[]): void {
  if (section !== 'groups' || rest.length === 0 || !isMap(groups) || Object.hasOwn(groups, name)) return;
  const guess = nearest(name, Object.keys(groups)) ?? Object.keys(groups).join(', ');
  throw new ScenarioError(`--set groups.${name}: there is no such group; there is ${guess}`);
}

function complain(name: string, issue: z.core.$ZodIssue): string[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${name}: unknown key ${path === '' ? key : `${path}.${key}`}`);
  }
  // Of the ways in which something may be written, the one that somebody had in mind complains about the least.
  if (issue.code === 'invalid_union') {
    const ways = issue.errors.map((errors) =>
      errors.flatMap((inner) => complain(name, { ...inner, path: [...issue.path, ...inner.path] })),
    );
    const depth = (complaints: string[]) => Math.max(0, ...complaints.map((text) => text.split('.').length));
    const [best] = ways.sort((one, other) => depth(other) - depth(one) || one.length - other.length);
    return best ?? [`${name}: ${path}: ${issue.message}`];
  }
  return [`${name}: ${path}: ${issue.message}`];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
