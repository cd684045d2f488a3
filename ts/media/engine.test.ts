import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { IceCredentials, PeerId, WorkerId } from './commands.ts';
import { WorkerEngine } from './engine.ts';
import type { PeerEvent } from './events.ts';
import type { EngineConfig, NativeEngine, Report } from './native.ts';

const LOOPBACK: EngineConfig = {
  workers: 2,
  udp: { portRangeStart: 43_000, portRangeEnd: 43_099 },
  addresses: [{ bind: '127.0.0.1', advertise: '127.0.0.1' }],
};
const WORKER_1 = 1 as WorkerId;
const SILENT = { warn: () => {}, error: () => {} };

function start(config: EngineConfig = LOOPBACK): WorkerEngine {
  const onFatal = (error: Error) => assert.fail(error);
  return new WorkerEngine({ config, log: SILENT, onFatal });
}

function ice(worker: WorkerId): IceCredentials {
  return { ufrag: `${worker}localufrag`, pwd: 'a-password-of-32-characters-here' };
}

function openPeer(engine: WorkerEngine, worker: WorkerId): { peer: PeerId; event: Promise<PeerEvent> } {
  const peer = engine.nextPeer();
  const event = new Promise<PeerEvent>((resolve) => engine.onPeer(peer, resolve));
  engine.send(worker, { type: 'openPeer', peer, ice: ice(worker), iceLite: false, controlling: false });
  return { peer, event };
}

test('a peer opens with candidates out of the port range', async () => {
  const engine = start();
  try {
    const { peer, event } = openPeer(engine, WORKER_1);
    const opened = await event;
    assert.equal(opened.type, 'peerOpened');
    assert.equal(opened.peer, peer);
    assert.ok(opened.type === 'peerOpened');
    const [candidate] = opened.candidates;
    assert.ok(candidate !== undefined);
    assert.deepEqual([candidate.ip, candidate.protocol, candidate.kind], ['127.0.0.1', 'udp', 'host']);
    assert.ok(candidate.port >= 43_000 && candidate.port <= 43_099);
  } finally {
    await engine.close();
  }
});

test('questions are answered by the worker that is asked', async () => {
  const engine = start();
  try {
    const { peer, event } = openPeer(engine, WORKER_1);
    await event;
    const found = await Promise.all(
      [0, 1].map((worker) => engine.query(worker as WorkerId, { type: 'peerStats', peer })),
    );
    assert.deepEqual(
      found.map((answer) => answer.found),
      [false, true],
    );
    const stats = await engine.query(WORKER_1, { type: 'workerStats' });
    assert.ok(stats.counters.some(([name]) => name === 'packets_in'));
    assert.ok(stats.counters.some(([name]) => name === 'drop_send_full'));
  } finally {
    await engine.close();
  }
});

test('the fingerprint is a SHA-256 one and the number of workers is told', async () => {
  const engine = start();
  await engine.close();
  assert.equal(engine.workers, 2);
  assert.equal(engine.fingerprint.algorithm, 'sha-256');
  assert.match(engine.fingerprint.value, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});

test('close answers open questions and may be called again', async () => {
  const engine = start();
  const answer = engine.query(WORKER_1, { type: 'workerStats' });
  const rejected = assert.rejects(answer, /closed/);
  await engine.close();
  await engine.close();
  await rejected;
  await assert.rejects(engine.query(WORKER_1, { type: 'workerStats' }), /closed/);
  engine.send(WORKER_1, { type: 'closePeer', peer: 1 as PeerId });
});

test('a shared port that is taken is told when starting', async () => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address();
  assert.throws(
    () => start({ ...LOOPBACK, udp: { muxPorts: [port] } }),
    new RegExp(`can't bind UDP 127.0.0.1:${port}`),
  );
  taken.close();
});

test('a configuration that can not work is told when starting', () => {
  assert.throws(() => start({ ...LOOPBACK, workers: 0 }), /1 to 62 workers/);
  assert.throws(() => start({ ...LOOPBACK, addresses: [] }), /no local address/);
});

test('a certificate goes to the workers, whose complaints come back', async () => {
  const { engine, native } = recorded();
  engine.setTurnCertificate('cert', 'key');
  native.refuse = true;
  assert.throws(() => engine.setTurnCertificate('cert', 'other'), /no such curve/);
  await engine.close();
  engine.setTurnCertificate('cert', 'key');
  assert.deepEqual(native.certificates, [['cert', 'key']]);
});

test('a process ends by itself once its engine is closed', () => {
  const engine = fileURLToPath(new URL('./engine.ts', import.meta.url));
  const script = `
    import { WorkerEngine } from ${JSON.stringify(engine)};
    const log = { warn() {}, error() {} };
    const engine = new WorkerEngine({ config: ${JSON.stringify(LOOPBACK)}, log, onFatal() {} });
    await engine.query(0, { type: 'workerStats' });
    await engine.close();
    console.log('closed');`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', script];
  const result = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
  assert.deepEqual([result.status, result.stdout], [0, 'closed\n'], result.stderr);
});

/** The addon's face with reports of the test's making. */
class Recorder implements NativeEngine {
  static last: Recorder | undefined;
  submitted: [worker: number, types: string[]][] = [];
  refuse = false;
  certificates: [string, string][] = [];
  readonly wake: () => void;
  #reports: Report[] = [];

  constructor(_config: string, wake: () => void) {
    this.wake = wake;
    Recorder.last = this;
  }

  report(...reports: Report[]): void {
    this.#reports.push(...reports);
    this.wake();
  }

  submit(worker: number, json: string): void {
    if (this.refuse) throw new Error('full');
    const commands: { type: string }[] = JSON.parse(json);
    this.submitted.push([worker, commands.map(({ type }) => type)]);
  }

  setTurnCertificate(certPem: string, keyPem: string): void {
    if (this.refuse) throw new Error('no such curve');
    this.certificates.push([certPem, keyPem]);
  }

  takeEvents(): string | null {
    const reports = this.#reports.splice(0);
    return reports.length === 0 ? null : JSON.stringify(reports);
  }

  info(): string {
    return JSON.stringify({ workers: 2, fingerprint: { algorithm: 'sha-256', value: 'AA' }, warnings: ['too small'] });
  }

  close(): void {}
}

function recorded() {
  const logged: string[] = [];
  const fatal: string[] = [];
  const engine = new WorkerEngine({
    config: LOOPBACK,
    log: {
      warn: (_: unknown, text?: string) => logged.push(`warn ${text}`),
      error: (_: unknown, text?: string) => logged.push(`error ${text}`),
    },
    onFatal: (error) => fatal.push(error.message),
    native: { Engine: Recorder },
  });
  const native = Recorder.last;
  assert.ok(native !== undefined);
  return { engine, native, logged, fatal };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

test('commands of one turn leave in one batch per worker, in order', async () => {
  const { engine, native } = recorded();
  const peer = engine.nextPeer();
  engine.send(WORKER_1, { type: 'closePeer', peer });
  engine.send(0 as WorkerId, { type: 'closePeer', peer });
  engine.send(WORKER_1, { type: 'restartIce', peer, ice: ice(WORKER_1) });
  assert.deepEqual(native.submitted, []);
  await tick();
  assert.deepEqual(native.submitted, [
    [1, ['closePeer', 'restartIce']],
    [0, ['closePeer']],
  ]);
});

test('what was sent before the end is still submitted', async () => {
  const { engine, native } = recorded();
  engine.send(WORKER_1, { type: 'closePeer', peer: engine.nextPeer() });
  await engine.close();
  assert.deepEqual(native.submitted, [[1, ['closePeer']]]);
});

test('reports go to the handler of what they are about', () => {
  const { engine, native } = recorded();
  const seen: string[] = [];
  const [peer, track, down, room] = [
    engine.nextPeer(),
    engine.nextUpTrack(),
    engine.nextDownTrack(),
    engine.nextRoom(),
  ];
  engine.onPeer(peer, (event) => seen.push(event.type));
  engine.onUpTrack(track, {
    event: (event) => seen.push(event.type),
    audioLevel: ({ level }) => seen.push(`level ${level}`),
    quality: ({ score }) => seen.push(`up ${score}`),
  });
  engine.onDownTrack(down, {
    event: (event) => seen.push(event.type),
    quality: ({ score }) => seen.push(`down ${score}`),
  });
  engine.onRoomData(room, ({ packet }) => seen.push(`data ${packet}`));
  const reports: Report[] = [
    { type: 'peerConnected', iceMs: 20, dtlsMs: 30, peer, srtpProfile: 'AEAD_AES_128_GCM', role: 'passive' },
    { type: 'trackStarted', track, pt: 111, layer: 0 },
    { type: 'audioLevels', levels: [{ track, level: 0.5, active: true }] },
    {
      type: 'quality',
      up: [{ track, score: 90, lost: false, window: { expected: 0, received: 0, late: 0, jitterUs: 0 } }],
      down: [
        {
          down,
          score: 80,
          lost: false,
          loss: 0,
          rttMs: 20,
          window: { expected: 0, received: 0, late: 0, jitterUs: 0 },
        },
      ],
    },
    { type: 'downTrackStarted', down },
    { type: 'data', room, participant: engine.nextParticipant(), sink: '', packet: 'AA==' },
  ];
  native.report(...reports);
  const expected = ['peerConnected', 'trackStarted', 'level 0.5', 'up 90', 'down 80', 'downTrackStarted', 'data AA=='];
  assert.deepEqual(seen, expected);
  engine.onPeer(peer, undefined);
  engine.onUpTrack(track, undefined);
  engine.onDownTrack(down, undefined);
  engine.onRoomData(room, undefined);
  native.report(...reports);
  assert.deepEqual(seen, expected);
});

test("a handler's bug costs the others nothing", () => {
  const { engine, native, logged } = recorded();
  const [broken, sound] = [engine.nextPeer(), engine.nextPeer()];
  let seen = 0;
  engine.onPeer(broken, () => assert.fail('a bug'));
  engine.onPeer(sound, () => seen++);
  const state = (peer: PeerId): Report => ({ type: 'iceState', peer, state: 'checking', pair: null });
  native.report(state(broken), state(sound));
  assert.equal(seen, 1);
  assert.deepEqual(logged, ['warn too small', 'error a media report was not handled']);
});

test('a worker that ends is fatal once, and its warnings are logged', async () => {
  const { engine, native, logged, fatal } = recorded();
  const question = assert.rejects(engine.query(WORKER_1, { type: 'workerStats' }), /media worker 1 ended: a bug/);
  native.report(
    { type: 'log', level: 'warn', target: 'sluice_net', message: 'strange', fields: {} },
    { type: 'workerFailed', worker: 1, detail: 'a bug' },
    { type: 'workerFailed', worker: 0, detail: 'another' },
  );
  await question;
  assert.deepEqual(fatal, ['media worker 1 ended: a bug']);
  assert.deepEqual(logged, ['warn too small', 'warn strange']);
});

test('commands that a worker refuses are fatal', async () => {
  const { engine, native, fatal } = recorded();
  native.refuse = true;
  engine.send(WORKER_1, { type: 'closePeer', peer: engine.nextPeer() });
  await tick();
  assert.deepEqual(fatal, ['worker 1 refused commands']);
});
