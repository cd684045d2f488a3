import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListRoomsResponse, Room } from '@livekit/protocol';
import { encode } from './encode.ts';
import { toTwirpJson } from './json.ts';

const listOf = (count: number) =>
  new ListRoomsResponse({ rooms: Array.from({ length: count }, (_, index) => new Room({ name: `room ${index}` })) });

test('a long list is written as it would be in one piece', async () => {
  for (const count of [0, 1, 500, 501, 1203]) {
    const list = listOf(count);
    assert.equal(await encode(list, true), toTwirpJson(list));
    assert.deepEqual(ListRoomsResponse.fromBinary((await encode(list, false)) as Uint8Array), list);
  }
});

test('others have their turn while a long list is written', async () => {
  const list = listOf(20_000);
  let longest = 0;
  let last = performance.now();
  const clock = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await encode(list, true);
  clearInterval(clock);
  assert.ok(longest < 200, `the event loop stood still for ${longest} ms`);
});
