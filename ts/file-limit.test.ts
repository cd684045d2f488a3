import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schema } from './config/schema.ts';
import { fileLimitWarning } from './file-limit.ts';

function warning(config: object, limit: number): string | undefined {
  return fileLimitWarning(schema.parse(config), limit);
}

test('a limit of open files that is too low is told with the number that is needed (acceptance 38)', () => {
  const range = { rtc: { port_range_start: 50_000, port_range_end: 60_000, tcp_port: 0 } };
  assert.match(warning(range, 256) ?? '', /only 256 files .* up to 15502 are needed: .*`ulimit -n 15502`/);
  assert.equal(warning(range, 15_502), undefined);
  const relays = { ...range, turn: { enabled: true } };
  assert.match(warning(relays, 20_000) ?? '', /ulimit -n 25503/);
  const shared = { rtc: { udp_port: 7882 } };
  assert.match(warning(shared, 1024) ?? '', /ulimit -n 4500/);
  assert.equal(warning(shared, 65_536), undefined);
});

test('the limit of this process is looked up, where the system tells it', () => {
  const config = schema.parse({ rtc: { port_range_start: 1, port_range_end: 65_535 }, turn: { enabled: true } });
  assert.match(fileLimitWarning(config) ?? 'only 0 files', /^only \d+ files/);
});
