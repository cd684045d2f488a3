import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readScenario } from '../scenario/load.ts';
import { loopback } from '../servers/network.ts';
import { fakeServer } from '../testing/fake-server.ts';
import { measurement } from '../testing/measurements.ts';
import type { Progress } from './load.ts';
import { measure } from './measure.ts';
import { measurePairs, turns } from './pairs.ts';

const FAKE = fileURLToPath(new URL('../testing/fake-load.mjs', import.meta.url));
const skip = process.platform === 'linux' ? false : 'reads /proc';

function scenario(name: string) {
  return readScenario(
    name,
    `
    description: for a test
    headline: [cpuPerPacket]
    seconds: 1
    warmupSeconds: 0
    groups: { people: { count: 4 } }
    join: { atOnce: 2 }`,
  );
}

function bench(signal = new AbortController().signal, progress: Progress[] = []) {
  const onProgress = (step: Progress) => progress.push(step);
  return { network: loopback(), load: [process.execPath, FAKE] as const, onProgress, signal };
}

function never(started: number[]): void {
  for (const pid of started) assert.equal(existsSync(`/proc/${pid}`), false, 'the server has ended');
}

describe('a measurement', { skip, concurrency: true }, () => {
  test('joins what the load reports with what the server took', async () => {
    const [started, progress]: [number[], Progress[]] = [[], []];
    const found = await measure(fakeServer('one', started), scenario('plain'), bench(undefined, progress));
    assert.equal(found.server, 'one');
    assert.equal(found.participants, 4);
    assert.equal(found.load.packets.received, 1_000);
    assert.equal(found.load.joins.firstMediaMs.p50, null);
    assert.ok(found.memory.idle.rssMb > 20 && found.memory.settled.pssMb > 5);
    assert.ok(Math.abs(found.cpu.window.wallSeconds - 1) < 0.3, `${found.cpu.window.wallSeconds} s`);
    assert.ok(found.cpu.window.seconds < 0.5);
    assert.ok(found.curve.settled <= found.curve.measuring && found.curve.measuring < found.curve.measured);
    assert.ok(found.curve.samples.length >= 3);
    assert.deepEqual(
      progress.map(({ joined }) => joined),
      [2, 4],
    );
    never(started);
  });

  test('fails with what the load generator complains of', async () => {
    const started: number[] = [];
    await assert.rejects(
      measure(fakeServer('one', started), scenario('complains'), bench()),
      /^Error: one: the token was refused/,
    );
    never(started);
  });

  test('fails with the last words of a load generator that dies', async () => {
    const said = /one: the load generator ended with code 101 without a report:\nthread main panicked/;
    await assert.rejects(measure(fakeServer('one'), scenario('dies'), bench()), said);
  });

  test('fails where not everybody gets in within the time for it', async () => {
    const started: number[] = [];
    const patient = { ...scenario('crowded'), joinWithinSeconds: 0.5 };
    await assert.rejects(measure(fakeServer('one', started), patient, bench()), {
      message: /^one: not everybody had joined after 0.5 s/,
    });
    never(started);
  });

  test('fails where the load generator says something else', async () => {
    await assert.rejects(measure(fakeServer('one'), scenario('talks-nonsense'), bench()), /what is not JSON: hello/);
  });

  test('fails with what a server said that ends at start', async () => {
    const failing = measure(fakeServer('one', [], 3), scenario('plain'), bench());
    await assert.rejects(failing, /one ended at start:\na server for nothing/);
  });

  test('ends both processes when it is stopped', async () => {
    const controller = new AbortController();
    const started: number[] = [];
    const step = { ...bench(controller.signal), onProgress: () => controller.abort(new Error('stopped by hand')) };
    await assert.rejects(measure(fakeServer('one', started), scenario('hangs'), step), /stopped by hand/);
    never(started);
  });
});

test('pairs are measured in the opposite order each time', () => {
  const servers = [fakeServer('a'), fakeServer('b')];
  const order = turns(servers, 3).map(({ server, pair }) => `${pair}${server.name}`);
  assert.deepEqual(order, ['0a', '0b', '1b', '1a', '2a', '2b']);
});

test('a measurement that fails is told, the others stand in the order of the servers', async () => {
  const servers = [fakeServer('a'), fakeServer('b')];
  const { pairs, failures } = await measurePairs(
    servers,
    { pairs: 2 },
    async ({ server, pair }) => {
      if (pair === 0 && server.name === 'b') throw new Error('b: no');
      return measurement({ server: server.name });
    },
    new AbortController().signal,
  );
  assert.deepEqual(failures, ['pair 1: b: no']);
  assert.deepEqual(
    pairs.map((pair) => pair.map(({ server }) => server)),
    [['a'], ['a', 'b']],
  );
});
