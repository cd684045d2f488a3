import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalKeyspace } from './local-keyspace.ts';
import { noteVersion } from './store-version.ts';

test('the version of the records is raised and never lowered', async () => {
  for (const [before, after] of [
    [undefined, '1.13.5'],
    ['', '1.13.5'],
    ['0.15.2', '1.13.5'],
    ['1.9.11', '1.13.5'],
    ['1.13.5', '1.13.5'],
    ['1.13.6', '1.13.6'],
    ['1.14.0', '1.14.0'],
    ['2.0.0', '2.0.0'],
    ['nonsense', '1.13.5'],
  ]) {
    const keyspace = new LocalKeyspace();
    if (before !== undefined) await keyspace.set('livekit_version', before);
    await noteVersion(keyspace);
    const stored = await keyspace.get('livekit_version');
    assert.equal(stored && Buffer.from(stored).toString(), after, before);
  }
});
