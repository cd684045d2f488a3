import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Deferred, deferred } from '../lib/deferred.ts';
import type { RpcError } from '../lib/rpc-error.ts';
import { settle, VirtualClock } from '../room/testing/virtual-clock.ts';
import { SignalReader } from './signal-reader.ts';
import { type Batch, SignalWriter } from './signal-writer.ts';
import { SwitchedLink } from './testing/switched-link.ts';

const SETTINGS = { retryTimeoutMs: 7500, minRetryMs: 500, maxRetryMs: 4000, bufferSize: 5 };

/** A writer whose attempts the test settles one by one. */
class Scene {
  readonly clock = new VirtualClock();
  readonly link = new SwitchedLink();
  readonly sent: { batch: Batch<string>; timeoutMs: number; acked: Deferred<void> }[] = [];
  readonly ends: (RpcError | undefined)[] = [];
  readonly writer = new SignalWriter<string>({
    settings: SETTINGS,
    clock: this.clock,
    link: this.link,
    send: (batch, timeoutMs) => {
      const acked = deferred<void>();
      this.sent.push({ batch, timeoutMs, acked });
      return acked.promise;
    },
    onDone: (error) => this.ends.push(error),
    // `speaker:bob=1` and `speaker:bob=0`: the later counts.
    merge: (earlier, later) => {
      const [key] = later.split('=');
      return later.includes('=') && earlier.startsWith(`${key}=`) ? later : undefined;
    },
  });

  get words(): string[] {
    return this.sent.map(({ batch }) => `${batch.seq}:${batch.signals.join()}${batch.close ? ' close' : ''}`);
  }

  async ack(): Promise<void> {
    this.sent.at(-1)?.acked.resolve();
    await settle();
  }

  async fail(): Promise<void> {
    this.sent.at(-1)?.acked.reject(new Error('request timed out'));
    await settle();
  }
}

test('what is written in one turn goes out together, and the rest when that is acknowledged', async () => {
  const scene = new Scene();
  scene.writer.write('a');
  scene.writer.write('b');
  await settle();
  scene.writer.write('c');
  await settle();
  assert.deepEqual(scene.words, ['0:a,b']);
  assert.equal(scene.sent[0]?.timeoutMs, 500);
  await scene.ack();
  assert.deepEqual(scene.words, ['0:a,b', '2:c']);
  await scene.ack();
  scene.writer.close();
  await settle();
  assert.equal(scene.words.at(-1), '3: close');
  await scene.ack();
  assert.deepEqual(scene.ends, [undefined]);
});

test('what is not acknowledged goes out again under its number, with what came since, after longer and longer', async () => {
  const scene = new Scene();
  scene.writer.write('a');
  await settle();
  for (let attempt = 0; attempt < 4; attempt += 1) {
    scene.writer.write(`b${attempt}`);
    await scene.fail();
    await scene.clock.advance(scene.sent.at(-1)?.timeoutMs ?? 0);
  }
  assert.deepEqual(
    scene.sent.map(({ timeoutMs }) => timeoutMs),
    [500, 1000, 2000, 4000, 4000],
  );
  assert.equal(scene.words.at(-1), '0:a,b0,b1,b2,b3');
  assert.deepEqual(scene.ends, []);
});

test('after the retry timeout the relay is broken', async () => {
  const scene = new Scene();
  scene.writer.write('a');
  await settle();
  await scene.clock.advance(7501);
  await scene.fail();
  assert.equal(scene.ends[0]?.code, 'unavailable');
  scene.writer.write('b');
  await settle();
  assert.equal(scene.sent.length, 1);
});

test('while Redis is away nothing is tried and no time counts; afterwards everything goes out', async () => {
  const scene = new Scene();
  scene.link.turn(false);
  scene.writer.write('a');
  await scene.clock.advance(3_600_000);
  assert.deepEqual(scene.words, []);
  scene.link.turn(true);
  await settle();
  assert.deepEqual(scene.words, ['0:a']);
  await scene.ack();
  assert.deepEqual(scene.ends, []);
});

test('a batch that Redis lost goes out again when it is back', async () => {
  const scene = new Scene();
  scene.writer.write('a');
  await settle();
  scene.link.turn(false);
  await scene.clock.advance(60_000);
  await scene.fail();
  assert.deepEqual(scene.ends, []);
  scene.link.turn(true);
  await settle();
  assert.deepEqual(scene.words, ['0:a', '0:a']);
});

test('of what waits only the latest of a kind is kept, and too much of all else breaks the relay', async () => {
  const scene = new Scene();
  scene.link.turn(false);
  for (let value = 0; value < 100; value += 1) scene.writer.write(`bob=${value}`);
  for (const word of ['w', 'x', 'y', 'z']) scene.writer.write(word);
  await settle();
  assert.deepEqual(scene.ends, []);
  scene.link.turn(true);
  await settle();
  assert.deepEqual(scene.words, ['0:bob=99,w,x,y,z']);
  // What is on its way is not changed.
  scene.writer.write('bob=100');
  const [end] = scene.ends as readonly (RpcError | undefined)[];
  assert.equal(end?.code, 'resource_exhausted');
});

test('a reader takes each signal once and in order, and notices a gap', () => {
  const reader = new SignalReader();
  assert.deepEqual(reader.take(0n, ['a', 'b']), ['a', 'b']);
  assert.deepEqual(reader.take(0n, ['a', 'b', 'c']), ['c']);
  assert.deepEqual(reader.take(1n, ['b']), []);
  assert.deepEqual(reader.take(3n, []), []);
  assert.equal(reader.take(4n, ['e']), undefined);
});
