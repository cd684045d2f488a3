/** `@livekit/rtc-node` (libwebrtc): frames of audio and video with their content checked, streams and RPC. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  LocalAudioTrack,
  LocalVideoTrack,
  type RemoteTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from '@livekit/rtc-node';
import { TestBrowser } from './support/browser.ts';
import { disconnect, dispose } from './support/sdk.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

let server: TestServer;

before(async () => {
  server = await startServer();
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

/** The first track of a kind that comes in. */
function nextTrack(room: Room, kind: TrackKind): Promise<RemoteTrack> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no track came within 20 s')), 20_000);
    room.on(RoomEvent.TrackSubscribed, (track) => {
      if (track.kind !== kind) return;
      clearTimeout(timer);
      resolve(track);
    });
  });
}

const WIDTH = 320;
const HEIGHT = 180;

/** A green picture that gets brighter and darker, RGBA. */
function picture(step: number): VideoFrame {
  const data = new Uint8Array(WIDTH * HEIGHT * 4);
  const green = 120 + ((step * 8) % 120);
  for (let index = 0; index < data.length; index += 4) data.set([0, green, 0, 255], index);
  return new VideoFrame(data, WIDTH, HEIGHT, VideoBufferType.RGBA);
}

function publishPicture(room: Room) {
  const source = new VideoSource(WIDTH, HEIGHT);
  const track = LocalVideoTrack.createVideoTrack('picture', source);
  let step = 0;
  const timer = setInterval(() => source.captureFrame(picture(step++)), 40);
  const options = new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA });
  return { published: room.localParticipant?.publishTrack(track, options), stop: () => clearInterval(timer) };
}

const RATE = 48_000;

async function publishTone(room: Room, frequency: number) {
  const source = new AudioSource(RATE, 1);
  const track = LocalAudioTrack.createAudioTrack('tone', source);
  await room.localParticipant?.publishTrack(track, new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE }));
  let sample = 0;
  let running = true;
  const done = (async () => {
    while (running) {
      const data = Int16Array.from({ length: RATE / 100 }, () =>
        Math.round(8000 * Math.sin((2 * Math.PI * frequency * sample++) / RATE)),
      );
      await source.captureFrame(new AudioFrame(data, RATE, 1, data.length));
    }
  })();
  return async () => {
    running = false;
    await done;
  };
}

/** The mean color of a received frame. */
function meanColor(frame: VideoFrame): [number, number, number] {
  const rgba = frame.convert(VideoBufferType.RGBA);
  const sum: [number, number, number] = [0, 0, 0];
  for (let index = 0; index < rgba.data.length; index += 4) {
    for (const channel of [0, 1, 2] as const) sum[channel] += rgba.data[index + channel] ?? 0;
  }
  const pixels = rgba.data.length / 4;
  return [sum[0] / pixels, sum[1] / pixels, sum[2] / pixels];
}

test('pictures pass from rtc-node to rtc-node with their content', async () => {
  const name = freshRoom();
  const [alice, bob] = [await join(name, 'alice'), await join(name, 'bob')];
  const coming = nextTrack(bob, TrackKind.KIND_VIDEO);
  const show = publishPicture(alice);
  await show.published;
  const greens = new Set<number>();
  for await (const { frame } of new VideoStream(await coming)) {
    const [red, green, blue] = meanColor(frame);
    // libwebrtc's source sends black until the first picture is captured.
    if (greens.size === 0 && Math.max(red, green, blue) < 10) continue;
    assert.ok(green > red + 50 && green > blue + 50, `a green picture, not ${red} ${green} ${blue}`);
    greens.add(Math.round(green / 8));
    if (greens.size >= 5) break;
  }
  show.stop();
  await Promise.all([disconnect(alice), disconnect(bob)]);
});

test('sound passes from rtc-node to rtc-node with its frequency', async () => {
  const name = freshRoom();
  const [alice, bob] = [await join(name, 'alice'), await join(name, 'bob')];
  const coming = nextTrack(bob, TrackKind.KIND_AUDIO);
  const stop = await publishTone(alice, 600);
  let heard = 0;
  for await (const frame of new AudioStream(await coming, RATE, 1)) {
    // Zero crossings of half a second of sound give twice the frequency.
    if (!frame.data.some((value) => Math.abs(value) > 2000)) continue;
    heard = frequencyOf(frame);
    if (Math.abs(heard - 600) < 120) break;
  }
  assert.ok(Math.abs(heard - 600) < 120, `600 Hz, not ${heard}`);
  await stop();
  await Promise.all([disconnect(alice), disconnect(bob)]);
});

function frequencyOf(frame: AudioFrame): number {
  let crossings = 0;
  for (let index = 1; index < frame.data.length; index++) {
    if ((frame.data[index - 1] ?? 0) < 0 !== (frame.data[index] ?? 0) < 0) crossings += 1;
  }
  return (crossings * RATE) / (2 * frame.data.length);
}

test('data, text streams, byte streams and RPC pass between rtc-node clients', async () => {
  const name = freshRoom();
  const [alice, bob] = [await join(name, 'alice'), await join(name, 'bob')];
  const data = new Promise<string>((resolve) => {
    bob.on(RoomEvent.DataReceived, (payload, _participant, _kind, topic) =>
      resolve(`${topic} ${new TextDecoder().decode(payload)}`),
    );
  });
  const text = new Promise<string>((resolve) => {
    bob.registerTextStreamHandler('story', (reader) => void reader.readAll().then(resolve));
  });
  const bytes = new Promise<number>((resolve) => {
    bob.registerByteStreamHandler('file', (reader) => {
      void reader.readAll().then((parts) => resolve(parts.reduce((sum, part) => sum + part.length, 0)));
    });
  });
  bob.localParticipant?.registerRpcMethod('upper', async ({ payload }) => payload.toUpperCase());
  await alice.localParticipant?.publishData(new TextEncoder().encode('hello'), { reliable: true, topic: 'greeting' });
  assert.equal(await data, 'greeting hello');
  await alice.localParticipant?.sendText('y'.repeat(100_000), { topic: 'story' });
  assert.equal((await text).length, 100_000);
  const writer = await alice.localParticipant?.streamBytes({ name: 'a.bin', topic: 'file' });
  await writer?.write(new Uint8Array(200_000));
  await writer?.close();
  assert.equal(await bytes, 200_000);
  const answer = await alice.localParticipant?.performRpc({
    destinationIdentity: 'bob',
    method: 'upper',
    payload: 'z'.repeat(10_000),
  });
  assert.equal(answer, 'Z'.repeat(10_000));
  await Promise.all([disconnect(alice), disconnect(bob)]);
});

test('a browser and rtc-node see and hear each other', async () => {
  const name = freshRoom();
  const browser = await TestBrowser.launch();
  const page = await browser.client();
  const token = await joinToken(name, 'browser');
  await page.run((c, options) => c.join(options), { url: server.url, token });
  const node = await join(name, 'node');
  const coming = nextTrack(node, TrackKind.KIND_VIDEO);
  const show = publishPicture(node);
  const stop = await publishTone(node, 600);
  await show.published;
  await page.run((c) => c.showPicture({ color: 'blue' }));
  assert.equal((await page.run((c) => c.see('node'))).color, 'green');
  await page.run((c) => c.hear('node', 600));
  for await (const { frame } of new VideoStream(await coming)) {
    const [red, green, blue] = meanColor(frame);
    if (blue > red + 50 && blue > green + 50) break;
  }
  show.stop();
  await stop();
  await disconnect(node);
  await browser.close();
});
