import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';

function logged(json: boolean, level = 'info'): string[] {
  const lines: string[] = [];
  const log = createLog({ logging: { json, level } }, (line) => lines.push(line));
  log.debug({ room: 'a' }, 'quiet');
  log.info({ room: 'a' }, 'said');
  return lines;
}

test('columns hold time, level, message and fields', () => {
  const [line = ''] = logged(false);
  assert.match(line, /^\d{4}-\d\d-\d\dT\S+Z\tINFO\tlivekit\tsaid\t\{"room":"a"\}\n$/);
});

test('a JSON line holds the same as fields', () => {
  const { level, msg, room } = JSON.parse(logged(true)[0] ?? '');
  assert.deepEqual({ level, msg, room }, { level: 'info', msg: 'said', room: 'a' });
});

test('the level decides what is written', () => {
  assert.equal(logged(false).length, 1);
  assert.equal(logged(false, 'debug').length, 2);
  assert.equal(logged(false, 'error').length, 0);
});
