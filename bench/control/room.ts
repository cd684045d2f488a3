/**
 * What one room costs the control plane, without sockets and media: N viewers join a room with one publisher, each
 * with two peer connections, over real negotiation and real frames.
 *
 *     node --import tsx --expose-gc bench/control/room.ts [participants] [single]
 *
 * Prints per hundred joins the CPU and the bytes written, and at the end the heap per participant. `--cpu-prof` before
 * the file name writes a profile.
 */

import { AddTrackRequest, SessionDescription, TrackSource, TrackType } from '@livekit/protocol';
import { ControlPlane, type Viewer } from './plane.ts';

const count = Number(process.argv[2] ?? 1000);
const singlePc = process.argv[3] === 'single';

const plane = new ControlPlane();
const publisher = await plane.join('publisher', false);
const cid = plane.cidOf('publisher', 'video');
publisher.session.publishing.addTrack(
  new AddTrackRequest({
    cid,
    name: 'cam',
    type: TrackType.VIDEO,
    source: TrackSource.CAMERA,
    width: 1280,
    height: 720,
  }),
);
publisher.session.negotiation.offer(new SessionDescription({ type: 'offer', sdp: plane.offer('publisher'), id: 1 }));
await plane.settle();

const viewers: Viewer[] = [];
const empty = heap();
const step = Math.max(1, Math.floor(count / 10));
let before = process.cpuUsage();
let written = plane.bytes;
for (let index = 1; index <= count; index += 1) {
  viewers.push(await plane.join(`viewer-${index}`, singlePc));
  if (index % step === 0) {
    const { user, system } = process.cpuUsage(before);
    const perJoin = ((user + system) / 1000 / step).toFixed(2);
    const kilobytes = ((plane.bytes - written) / 1000 / step).toFixed(1);
    console.log(`${index} in the room: ${perJoin} ms CPU and ${kilobytes} kB written per join`);
    before = process.cpuUsage();
    written = plane.bytes;
  }
}
await plane.settle();
const full = heap();
console.log(`heap per participant: ${((full.heapUsed - empty.heapUsed) / count / 1000).toFixed(1)} kB`);
console.log(`external: ${((full.external - empty.external) / count / 1000).toFixed(1)} kB`);
if (process.env.HEAP_SNAPSHOT !== undefined) {
  const { writeHeapSnapshot } = await import('node:v8');
  console.log(writeHeapSnapshot(process.env.HEAP_SNAPSHOT));
}

// One change that everybody hears of.
before = process.cpuUsage();
written = plane.bytes;
const encodedBefore = plane.encoded;
publisher.session.publishing.mute({ sid: plane.publishedSid(publisher), muted: true } as never);
await plane.settle();
const { user, system } = process.cpuUsage(before);
console.log(
  `a mute told to ${count}: ${((user + system) / 1000).toFixed(1)} ms CPU, ${plane.bytes - written} B written, ` +
    `${plane.encoded - encodedBefore} frames made`,
);
await plane.close();
process.exit(0);

function heap(): NodeJS.MemoryUsage {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage();
}
