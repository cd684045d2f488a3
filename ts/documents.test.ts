import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../', import.meta.url);

test('every file that a document names exists', () => {
  for (const document of ['ARCHITECTURE.md', 'README.md', 'CONTRIBUTING.md', 'docs/benchmarks.md']) {
    const text = readFileSync(new URL(document, ROOT), 'utf8');
    const named = [...text.matchAll(/`((?:crates|ts|native|docs|test|bench)\/[\w./-]+)`/g)].map(
      ([, path]) => path ?? '',
    );
    for (const path of named.filter((entry) => !entry.includes('*'))) {
      assert.ok(existsSync(new URL(path, ROOT)), `${document} names ${path}`);
    }
  }
});
