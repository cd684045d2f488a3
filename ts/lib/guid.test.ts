import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newGuid, newSecret, newTrackSid } from './guid.ts';

test('an id is its prefix and 12 unambiguous characters', () => {
  for (let count = 0; count < 100; count++) assert.match(newGuid('PA_'), /^PA_[2-9A-HJ-NP-Za-km-z]{12}$/);
  assert.match(newTrackSid('VC'), /^TR_VC\w{12}$/);
});

test('bytes that would favour some characters are not used', () => {
  let turn = 0;
  const random = (size: number) => new Uint8Array(size).fill(turn++ === 0 ? 255 : 1);
  assert.equal(newGuid('', random), '333333333333');
  assert.equal(turn, 2);
});

test('a secret is 32 bytes in base 62', () => {
  assert.equal(
    newSecret((size) => new Uint8Array(size).fill(0, 0, 31).fill(62, 31)),
    '10',
  );
  assert.match(newSecret(), /^[0-9A-Za-z]{40,43}$/);
});
