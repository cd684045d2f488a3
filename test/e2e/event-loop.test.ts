/** Media does not wait for the control plane: its event loop stands still for 5 s, and pictures go on arriving in time. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  LocalVideoTrack,
  type RemoteTrack,
  Room,
  RoomEvent,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from '@livekit/rtc-node';
import { disconnect, dispose } from './support/sdk.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

/** Asleep rather than busy: what is measured is the waiting, not a core that is taken away. */
const BLOCK = `
  process.on('SIGUSR2', () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000);
  });`;

let server: TestServer;

before(async () => {
  server = await startServer({}, { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BLOCK)}` });
});

after(async () => {
  await server?.stop();
  await dispose();
});

async function join(room: string, identity: string): Promise<Room> {
  const client = new Room();
  await client.connect(server.url, await joinToken(room, identity), { autoSubscribe: true, dynacast: false });
  return client;
}

const WIDTH = 320;
const HEIGHT = 180;
const FRAME_MS = 40;
/** Shades of gray, wide enough apart to come through the encoder: a picture is known by its shade for 480 ms. */
const SHADES = 12;
const SHADE_STEP = 16;
const DARKEST = 40;

/** Sends pictures whose shade says which they are; `sentAt` is when the last of each shade left. */
function publishShades(room: Room) {
  const source = new VideoSource(WIDTH, HEIGHT);
  const track = LocalVideoTrack.createVideoTrack('shades', source);
  const sentAt: number[] = [];
  let step = 0;
  const timer = setInterval(() => {
    const shade = step++ % SHADES;
    const data = new Uint8Array(WIDTH * HEIGHT * 4).fill(DARKEST + shade * SHADE_STEP);
    sentAt[shade] = performance.now();
    source.captureFrame(new VideoFrame(data, WIDTH, HEIGHT, VideoBufferType.RGBA));
  }, FRAME_MS);
  const options = new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA, simulcast: false });
  return { published: room.localParticipant?.publishTrack(track, options), sentAt, stop: () => clearInterval(timer) };
}

interface Arrival {
  readonly at: number;
  readonly delayMs: number;
}

function shadeOf(frame: VideoFrame): number {
  const rgba = frame.convert(VideoBufferType.RGBA).data;
  const middle = ((HEIGHT / 2) * WIDTH + WIDTH / 2) * 4;
  return Math.round(((rgba[middle] ?? 0) - DARKEST) / SHADE_STEP);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

test('an event loop that stands still for 5 s delays no picture', async (context) => {
  const name = freshRoom();
  const [alice, bob] = [await join(name, 'alice'), await join(name, 'bob')];
  const coming = new Promise<RemoteTrack>((resolve) => bob.once(RoomEvent.TrackSubscribed, resolve));
  const show = publishShades(alice);
  await show.published;
  const arrivals: Arrival[] = [];
  const reader = new VideoStream(await coming).getReader();
  const reading = (async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const sentAt = show.sentAt[shadeOf(next.value.frame)];
      const at = performance.now();
      if (sentAt !== undefined) arrivals.push({ at, delayMs: at - sentAt });
    }
  })();
  const arrivedIn = (from: number, to: number) => arrivals.filter(({ at }) => at >= from && at <= to);

  // The receiver's jitter buffer settles first.
  await sleep(4000);
  const before = { from: performance.now(), to: performance.now() + 4000 };
  await sleep(4000);

  const during = { from: performance.now(), to: performance.now() + 4500 };
  server.process.kill('SIGUSR2');
  await sleep(200);
  await fetch(server.httpUrl);
  const blockedMs = performance.now() - during.from;
  assert.ok(blockedMs > 4500, `the event loop stood still for ${blockedMs.toFixed(0)} ms only`);

  const calm = arrivedIn(before.from, before.to);
  const blocked = arrivedIn(during.from, during.to);
  const gaps = blocked.slice(1).map(({ at }, index) => at - (blocked[index]?.at ?? at));
  const [usual, meanwhile] = [calm, blocked].map((some) => median(some.map(({ delayMs }) => delayMs)));
  const figures = `delay ${usual?.toFixed(1)} ms, ${meanwhile?.toFixed(1)} ms while blocked; gap ${Math.max(...gaps).toFixed(0)} ms`;
  context.diagnostic(figures);
  // As many per second as before, none late; a machine that is busy otherwise may hold up a few.
  assert.ok(
    blocked.length / 4.5 > (calm.length / 4) * 0.9,
    `${calm.length} pictures, then ${blocked.length}; ${figures}`,
  );
  assert.ok((meanwhile ?? Number.NaN) < (usual ?? 0) + 15, figures);
  assert.ok(Math.max(...gaps) < 500, figures);

  show.stop();
  await disconnect(alice);
  await disconnect(bob);
  await Promise.race([reading, sleep(2000)]);
});
