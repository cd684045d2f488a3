/** Chromium inside a namespace, driven over a pipe from outside. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM, TestBrowser } from '../../e2e/support/browser.ts';
import type { Authority } from './certificates.ts';
import type { Namespace } from './lab.ts';

export interface Surroundings {
  /** Names that clients resolve, and to what. */
  hosts?: Record<string, string>;
  /** Whose certificates they trust. */
  authority?: Authority;
}

export interface InnerBrowser {
  browser: TestBrowser;
  close(): Promise<void>;
}

export async function launchInside(
  namespace: Namespace,
  { hosts = {}, authority }: Surroundings = {},
): Promise<InnerBrowser> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-browser-'));
  authority?.trustInBrowser(home);
  const wrapper = join(home, 'chromium');
  const [command, args] = namespace.command('env', [`HOME=${home}`, CHROMIUM]);
  writeFileSync(wrapper, `#!/bin/sh\nexec ${command} ${args.join(' ')} "$@"\n`, { mode: 0o755 });
  // For UDP servers it looks names up with a dot behind them, which the hosts file has not.
  const rules = Object.entries(hosts).flatMap(([name, to]) => [`MAP ${name} ${to}`, `MAP ${name}. ${to}`]);
  const flags = rules.length > 0 ? [`--host-resolver-rules=${rules.join(',')}`] : [];
  const browser = await TestBrowser.launchElsewhere(wrapper, flags);
  return {
    browser,
    async close() {
      await browser.close();
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
