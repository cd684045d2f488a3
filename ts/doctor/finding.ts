/** What a check found: one line each. */

export type Status = 'ok' | 'warn' | 'fail' | 'skip';

export interface Finding {
  /** Name of the check, a word. */
  check: string;
  status: Status;
  text: string;
  /** What mends it; always there with a failure. */
  fix?: string;
}

/** Findings of one check. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #check: string;

  constructor(check: string) {
    this.#check = check;
  }

  ok(text: string): void {
    this.list.push({ check: this.#check, status: 'ok', text });
  }

  warn(text: string, fix?: string): void {
    this.list.push({ check: this.#check, status: 'warn', text, ...(fix === undefined ? {} : { fix }) });
  }

  fail(text: string, fix: string): void {
    this.list.push({ check: this.#check, status: 'fail', text, fix });
  }

  skip(text: string): void {
    this.list.push({ check: this.#check, status: 'skip', text });
  }

  get failed(): boolean {
    return hasFailure(this.list);
  }
}

export function hasFailure(findings: readonly Finding[]): boolean {
  return findings.some(({ status }) => status === 'fail');
}
