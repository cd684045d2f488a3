/** Chromium inside a namespace, driven over a pipe from outside. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM, TestBrowser } from '../../e2e/support/browser.ts';
import type { Authority } from './certificates.ts';
import type { Namespace } from './lab.ts';

export interface Surroundings {
  /** Names that the browser resolves, and to what. */
  hosts?: Record<string, string>;
  /** Whose certificates it trusts. */
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
  const rules = Object.entries(hosts).map(([name, address]) => `MAP ${name} ${address}`);
  const browser = await TestBrowser.launchElsewhere(
    wrapper,
    rules.length > 0 ? [`--host-resolver-rules=${rules}`] : [],
  );
  return {
    browser,
    async close() {
      await browser.close();
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
