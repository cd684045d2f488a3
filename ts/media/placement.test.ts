import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MediaRoomId, WorkerId } from './commands.ts';
import { WorkerPlacement } from './placement.ts';

const room = (id: number) => id as MediaRoomId;

function join(placement: WorkerPlacement, id: number, count: number): number[] {
  return Array.from({ length: count }, () => placement.place(room(id)));
}

test('a small room stays on one worker', () => {
  const placement = new WorkerPlacement(4, 'fill');
  assert.equal(new Set(join(placement, 1, 24)).size, 1);
});

test('rooms start on the least loaded worker', () => {
  const placement = new WorkerPlacement(3, 'fill');
  assert.deepEqual([join(placement, 1, 3)[0], join(placement, 2, 2)[0], join(placement, 3, 1)[0]], [0, 1, 2]);
  assert.equal(placement.place(room(4)), 2);
});

test('a large room spills to the others and ends evenly spread', () => {
  const placement = new WorkerPlacement(4, 'fill');
  const workers = join(placement, 1, 400);
  assert.deepEqual([...new Set(workers.slice(0, 25))], [0, 1]);
  const shares = [0, 1, 2, 3].map((worker) => workers.filter((at) => at === worker).length);
  assert.deepEqual(shares, [100, 100, 100, 100]);
});

test('who leaves makes room on the same worker', () => {
  const placement = new WorkerPlacement(2, 'fill');
  const [first] = join(placement, 1, 24);
  assert.ok(first !== undefined);
  placement.release(room(1), first as WorkerId);
  assert.equal(placement.place(room(1)), first);
});

test('a release that nobody placed changes nothing', () => {
  const placement = new WorkerPlacement(2, 'fill');
  const worker = placement.place(room(1));
  placement.release(room(2), worker);
  placement.release(room(1), worker);
  placement.release(room(1), worker);
  assert.deepEqual(join(placement, 3, 1), [0]);
});

test('spread forces every room across the workers', () => {
  const placement = new WorkerPlacement(3, 'spread');
  assert.deepEqual(join(placement, 1, 4), [0, 1, 2, 0]);
});
