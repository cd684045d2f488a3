import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadConfig } from './config/load.ts';

const ROOT = new URL('../', import.meta.url);

test('every file that a document names exists', () => {
  for (const document of ['ARCHITECTURE.md', 'README.md', 'CONTRIBUTING.md', 'docs/benchmarks.md', 'docs/deploy.md']) {
    const text = readFileSync(new URL(document, ROOT), 'utf8');
    const named = [...text.matchAll(/`((?:crates|ts|native|docs|test|bench)\/[\w./-]+)`/g)].map(
      ([, path]) => path ?? '',
    );
    for (const path of named.filter((entry) => !entry.includes('*'))) {
      assert.ok(existsSync(new URL(path, ROOT)), `${document} names ${path}`);
    }
  }
});

test('every configuration that docs/deploy.md shows is valid, and one that a test runs', () => {
  const text = readFileSync(new URL('docs/deploy.md', ROOT), 'utf8');
  const shown = [...text.matchAll(/^```yaml ?(.*)\n([\s\S]*?)^```$/gm)];
  assert.ok(shown.length > 0);
  const folder = new URL('test/network/', ROOT);
  const tests = readdirSync(folder).filter((name) => name.endsWith('.test.ts'));
  const sources = tests.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');
  for (const [, name = '', body = ''] of shown) {
    const { config } = loadConfig({ body, overrides: [], strict: true });
    assert.ok(config.rtc, name);
    assert.ok(name !== '' && sources.includes(`'${name}'`), `a test in test/network runs ${name}`);
  }
});
