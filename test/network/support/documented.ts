/** The configurations that docs/deploy.md shows, so that the tests run what readers copy. */

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

const DOCUMENT = new URL('../../../docs/deploy.md', import.meta.url);

/** The block that the document names so: ```` ```yaml <name> ````. Throws where there is none. */
export function documented(name: string): Record<string, unknown> {
  const block = new RegExp(`^\`\`\`yaml ${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(readFileSync(DOCUMENT, 'utf8'))?.[1];
  if (block === undefined) throw new Error(`docs/deploy.md shows no configuration named ${name}`);
  return parse(block) as Record<string, unknown>;
}
