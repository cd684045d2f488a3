import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listens } from '../measure/proc.ts';
import { cable, whyLoopback } from './network.ts';

const skip = whyLoopback() ?? false;

function namespaces(): string[] {
  const listed = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout;
  return listed.split('\n').filter((name) => name.startsWith(`sluice-bench-${process.pid}-`));
}

test('a cable connects its ends, and nothing is left of it and what runs on it', { skip }, async () => {
  const network = cable();
  try {
    const listen = `require('node:net').createServer((socket) => socket.end('hello')).listen(7880, '${network.host}')`;
    const server = network.spawn('server', process.execPath, ['-e', listen]);
    const ended = once(server, 'exit');
    while (!listens(server.pid ?? 0, 7880)) await sleep(10);
    const ask = `require('node:net').connect(7880, '${network.host}').pipe(process.stdout)`;
    const client = network.spawn('load', process.execPath, ['-e', ask], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(client.stdout);
    const [answer] = await once(client.stdout, 'data');
    assert.equal(String(answer), 'hello');
    assert.equal(namespaces().length, 2);
    network.close();
    await ended;
  } finally {
    network.close();
  }
  assert.deepEqual(namespaces(), []);
});

test('two cables are apart', { skip }, () => {
  const cables = [cable(), cable()];
  assert.equal(namespaces().length, 4);
  for (const one of cables) one.close();
  assert.deepEqual(namespaces(), []);
});
