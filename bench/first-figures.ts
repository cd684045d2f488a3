/**
 * First figures: one publisher, N viewers, the same load for each server in turn, all in one run.
 *
 *     npm run build && LIVEKIT_SERVER=/path/to/livekit-server npm run bench
 *
 * Measures the server process only: user and system time from /proc over a window of seconds, resident memory before
 * and after the viewers came. Packets are counted where they arrive, by the viewers' own WebRTC statistics, so the
 * measure is the same for every server. Viewers are real Chromium and share the machine: compare ratios, not values.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BrowserClient, TestBrowser } from '../test/e2e/support/browser.ts';
import { freshRoom, joinToken, startServer, type TestServer } from '../test/e2e/support/server.ts';

const VIEWERS = Number(process.env.BENCH_VIEWERS ?? 30);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 15);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);

interface Figures {
  name: string;
  packetsPerSecond: number;
  microsecondsPerPacket: number;
  kilobytesPerViewer: number;
}

/** USER_HZ: 100 on every Linux that Node runs on. */
const TICK_MS = 10;

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

async function viewers(page: BrowserClient, server: TestServer, room: string): Promise<void> {
  const tokens = await Promise.all(Array.from({ length: VIEWERS }, (_, index) => joinToken(room, `viewer-${index}`)));
  await page.run((c, options) => c.joinViewers(options.url, options.tokens), { url: server.url, tokens });
}

async function measure(name: string, browser: TestBrowser): Promise<Figures> {
  const server = await startServer();
  const pid = server.process.pid ?? 0;
  const room = freshRoom();
  const [publisher, page] = [await browser.client(), await browser.client()];
  const token = await joinToken(room, 'publisher');
  await publisher.run((c, options) => c.join(options), { url: server.url, token });
  await publisher.run((c) =>
    c.showPicture({
      color: 'red',
      width: 640,
      height: 360,
      simulcast: false,
      videoEncoding: { maxBitrate: 1_500_000, maxFramerate: 25 },
    }),
  );
  await publisher.run((c) => c.playTone(440));
  await sleep(2_000);
  const before = residentKb(pid);
  await viewers(page, server, room);
  await sleep(5_000);
  const after = residentKb(pid);
  const [cpu, packets] = [cpuMs(pid), await page.run((c) => c.packetsReceived())];
  await sleep(SECONDS * 1000);
  const [cpuSpent, arrived] = [cpuMs(pid) - cpu, (await page.run((c) => c.packetsReceived())) - packets];
  await Promise.all([publisher.close(), page.close()]);
  await server.stop();
  return {
    name,
    packetsPerSecond: arrived / SECONDS,
    microsecondsPerPacket: (cpuSpent * 1000) / arrived,
    kilobytesPerViewer: (after - before) / VIEWERS,
  };
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function summarise(name: string, runs: Figures[]): string {
  const of = (key: keyof Omit<Figures, 'name'>) => median(runs.map((run) => run[key]));
  const row = [
    name,
    of('packetsPerSecond').toFixed(0),
    of('microsecondsPerPacket').toFixed(1),
    of('kilobytesPerViewer').toFixed(0),
  ];
  return `| ${row.join(' | ')} |`;
}

const other = process.env.LIVEKIT_SERVER;
if (other === undefined) console.log('LIVEKIT_SERVER is not set: measuring Sluice alone, without a comparison.');
const results = new Map<string, Figures[]>();
const browser = await TestBrowser.launch();
for (let round = 0; round < ROUNDS; round++) {
  const turn: [string, string | undefined][] = [['Sluice', 'dist/main.js']];
  if (other !== undefined) turn.push(['livekit-server', other]);
  for (const [name, binary] of round % 2 === 0 ? turn : turn.reverse()) {
    if (name === 'Sluice') delete process.env.E2E_SERVER;
    else process.env.E2E_SERVER = binary;
    process.env.E2E_BUILT = '1';
    const figures = await measure(name, browser);
    console.log(JSON.stringify(figures));
    results.set(name, [...(results.get(name) ?? []), figures]);
  }
}
await browser.close();
console.log(`\n1 publisher (640×360 VP8, Opus), ${VIEWERS} viewers, ${SECONDS} s, medians of ${ROUNDS}:\n`);
console.log('| server | packets/s out | CPU µs per packet | resident kB per viewer |');
console.log('| --- | --- | --- | --- |');
for (const [name, runs] of results) console.log(summarise(name, runs));
