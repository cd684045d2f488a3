/**
 * Stands in for the load generator in tests: reads a request, says the contract's lines, keeps the server busy with
 * nothing. What it says is decided by the scenario's name (`saturated`, `complains`, `dies`, `talks-nonsense`, `crowded`,
 * `hangs`).
 */
import { setTimeout as sleep } from 'node:timers/promises';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

if (process.argv[2] === '--version') {
  console.log('fake-load 1');
} else {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const request = JSON.parse(Buffer.concat(chunks).toString());
  const { name, groups, rooms } = request.scenario;
  const of = rooms * groups.reduce((sum, { count }) => sum + count, 0);
  say({ event: 'progress', phase: 'joining', joined: of / 2, failed: 0, of });
  if (name === 'complains') {
    say({ event: 'error', message: 'the token was refused' });
    process.exit(1);
  }
  if (name === 'dies') {
    process.stderr.write('thread main panicked\n');
    process.exit(101);
  }
  if (name === 'talks-nonsense') process.stdout.write('hello\n');
  if (name === 'crowded') await sleep(60_000);
  say({ event: 'progress', phase: 'joining', joined: of, failed: 0, of });
  say({ event: 'settled' });
  if (name === 'hangs') await sleep(60_000);
  await sleep(request.warmupSeconds * 1_000);
  say({ event: 'measuring' });
  await sleep(request.seconds * 1_000);
  const window = {
    seconds: request.seconds,
    streams: of,
    packets: { received: 1_000, sent: 10, lost: 1, duplicates: 0, reordered: 0, retransmitted: 2 },
    bytes: { received: 1_100_000, sent: 11_000 },
    delayMs: { p50: 0.3, p95: 0.5, p99: 0.9, p999: 2.1, max: 3.5 },
    data: { sent: 0, received: 0, lost: 0, delayMs: null },
    signals: { sent: 0, received: 0 },
    feedback: { nacksSent: 1, plisReceived: 1, keyFramesSent: 1, rrSent: 15, twccSent: 0 },
    joins: { ok: of, failed: 0, byReason: {}, ms: { p50: 15, p95: 30, p99: 31, max: 40 }, firstMediaMs: null },
    load: {
      cpuSeconds: 0.01,
      busiestThread: 0.1,
      socketDrops: 0,
      saturated: name === 'saturated',
      reason: 'a thread was full',
    },
    srtp: 'AEAD_AES_128_GCM',
    connectMs: { p50: 20, p95: 40, p99: 50, max: 60 },
  };
  say({ event: 'measured', window });
  say({ event: 'done', report: window });
}
