/** The config file: does the server take it, and what would it log about it. */

import { ConfigError } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Settled } from '../config/settle.ts';
import { type Finding, Findings } from './finding.ts';

/** Without a configuration there are failures. */
export function checkConfig(settle: () => Settled): { config?: Config; findings: Finding[] } {
  const findings = new Findings('config');
  try {
    const { config, notices } = settle();
    const doubts = notices.filter(({ level }) => level !== 'info');
    for (const { text } of doubts)
      findings.warn(text, text.includes('too short') ? 'run `sluice generate-keys`' : undefined);
    if (doubts.length === 0) findings.ok('every key is known and every value fits');
    return { config, findings: findings.list };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const complaint of error.complaints) findings.fail(complaint, fixFor(complaint));
    return { findings: findings.list };
  }
}

function fixFor(complaint: string): string {
  const guess = /did you mean ([\w.]+)\?/.exec(complaint)?.[1];
  if (guess !== undefined) return `write ${guess}`;
  if (complaint.startsWith('unknown key')) return 'remove the key; config-sample.yaml lists all there are';
  if (complaint.startsWith('could not read')) return 'give the path of a file that this user may read to --config';
  if (complaint.startsWith('could not parse')) return 'correct the YAML at that place';
  if (complaint.includes('keys must be provided')) return 'run `sluice generate-keys` and put the result under keys';
  return `set ${/^[\w.]+/.exec(complaint)?.[0] ?? 'the key'} to what is expected`;
}
