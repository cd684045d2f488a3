import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { cpuBetween, listens, markCpu, memoryOf, tree } from './proc.ts';

const skip = process.platform === 'linux' ? false : 'reads /proc';

/** Burns CPU for so long when it is told to, with a child beside it that does the same. */
const BURNER = `
  const spent = () => { const { user, system } = process.cpuUsage(); return user + system; };
  const burn = (ms) => { const until = spent() + ms * 1000; while (spent() < until) for (let i = 0; i < 1e5; i++); };
  const { spawn } = require('node:child_process');
  if (process.argv[1] !== 'child') {
    const child = spawn(process.execPath, ['-e', process.argv[2], 'child', process.argv[2]], { stdio: ['pipe', 'pipe', 'inherit'] });
    process.stdin.on('data', (data) => child.stdin.write(data));
    child.stdout.on('data', (data) => { burn(300); process.stdout.write(data); });
    process.stdin.on('end', () => child.stdin.end());
  } else {
    process.stdout.write('ready');
    process.stdin.on('data', () => { burn(300); process.stdout.write('done'); });
  }`;

describe('a tree of processes', { skip }, () => {
  const parent: ChildProcess = spawn(process.execPath, ['-e', BURNER, 'parent', BURNER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pid = parent.pid ?? 0;
  after(() => parent.stdin?.end());

  test('has the children in it', async () => {
    assert.ok(parent.stdout);
    await once(parent.stdout, 'data');
    assert.equal(tree(pid).length, 2);
  });

  test('takes the CPU time of all of them, user and system adding up', async () => {
    assert.ok(parent.stdout && parent.stdin);
    const before = markCpu(pid);
    parent.stdin.write('go');
    await once(parent.stdout, 'data');
    const { seconds, userSeconds, systemSeconds, wallSeconds } = cpuBetween(before, markCpu(pid));
    assert.ok(seconds > 0.55 && seconds < 1, `${seconds} s for 0.6 s of work`);
    assert.ok(userSeconds > systemSeconds);
    assert.ok(Math.abs(userSeconds + systemSeconds - seconds) < 1e-9);
    assert.ok(wallSeconds > 0.3);
  });

  test('takes no CPU time while nothing happens', async () => {
    const before = markCpu(pid);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(cpuBetween(before, markCpu(pid)).seconds < 0.05);
  });

  test('shares pages, so that PSS is below RSS', () => {
    const { rssMb, pssMb } = memoryOf(pid);
    assert.ok(pssMb > 5 && rssMb > pssMb && rssMb < 500, `${rssMb} MB, ${pssMb} MB`);
  });
});

test('CPU time of threads that ended is not lost', () => {
  const ticks = (user: number, system: number) => new Map([[7, { user, system }]]);
  const before = {
    atMs: 0,
    ticks: ticks(100, 0),
    threads: new Map([
      [7, 1e9],
      [8, 5e9],
    ]),
  };
  const same = {
    atMs: 1_000,
    ticks: ticks(150, 50),
    threads: new Map([
      [7, 1.4e9],
      [8, 5.5e9],
      [9, 1e8],
    ]),
  };
  const ended = { atMs: 1_000, ticks: ticks(150, 50), threads: new Map([[7, 1.4e9]]) };
  assert.ok(Math.abs(cpuBetween(before, same).seconds - 1) < 1e-9);
  assert.equal(cpuBetween(before, ended).seconds, 1);
  assert.equal(cpuBetween(before, ended).systemSeconds, 0.5);
});

test('a port is listened on once somebody listens, and no longer', { skip }, async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  assert.equal(listens(process.pid, address.port), true);
  server.close();
  await once(server, 'close');
  assert.equal(listens(process.pid, address.port), false);
});

test('what is no more has no tree but itself, and no memory', { skip }, () => {
  assert.deepEqual(tree(999_999_999), [999_999_999]);
  assert.deepEqual(memoryOf(999_999_999), { rssMb: 0, pssMb: 0 });
});
