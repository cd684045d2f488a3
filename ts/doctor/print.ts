/** Findings as people and as programs read them. */

import { type Finding, hasFailure, type Status } from './finding.ts';

/** 0: no failure, 1: failures, 2: the checks could not run. */
export type ExitCode = 0 | 1 | 2;

/** One line a finding, aligned; where something is wrong, with what mends it. */
export function lines(findings: readonly Finding[]): string[] {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  return findings.map(({ check, status, text, fix }) => {
    const line = `${WORDS[status]}  ${check.padEnd(width)}  ${flat(text)}`;
    return fix === undefined ? line : `${line} | fix: ${flat(fix)}`;
  });
}

/** The whole report as one JSON object. */
export function json(findings: readonly Finding[], exitCode: ExitCode): string {
  return JSON.stringify({ ok: !hasFailure(findings), exitCode, findings });
}

export function summary(findings: readonly Finding[]): string {
  const count = (status: Status) => findings.filter((finding) => finding.status === status).length;
  const plural = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  return `${plural(count('fail'), 'failure')}, ${plural(count('warn'), 'warning')}`;
}

function flat(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, '; ');
}

const WORDS: Readonly<Record<Status, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL', skip: 'skip' };
