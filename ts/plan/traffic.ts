/** Packets and bits that rooms make, per second while everybody is there. */

import type { PictureLines, RoomKind, VideoCodec } from './workload.ts';

/** Into and out of the server, per second. */
export interface Traffic {
  readonly videoIn: Flow;
  readonly videoOut: Flow;
  readonly audioIn: Flow;
  readonly audioOut: Flow;
  /** Tracks published and tracks received. */
  readonly tracksIn: number;
  readonly tracksOut: number;
}

export interface Flow {
  readonly packets: number;
  /** Frames: the packets of one arrive, and leave, together. Of audio each packet is one. */
  readonly trains: number;
  /** On the wire: with RTP, SRTP, UDP and IP headers. */
  readonly bits: number;
}

/** What the people of a room look at: one large picture and the others small, or all alike. */
export type Layout = 'speaker' | 'grid';

/** Of one room of this kind. */
export function trafficOf(kind: RoomKind, layout: Layout): Traffic {
  const { publishers, viewers, video } = kind;
  const audioOut = sumFlows([
    // Each publisher hears all others, each viewer everybody.
    scale(spokenBy(kind.speaking), heardBy(publishers, viewers)),
    scale(SILENT, Math.max(0, publishers - kind.speaking) * heardBy(publishers, viewers)),
  ]);
  const audioIn = sumFlows([spokenBy(kind.speaking), scale(SILENT, publishers - kind.speaking)]);
  const layers = layersOf(kind.codec, kind.lines);
  const seenByPublisher = pictures(publishers - 1, layers, layout);
  const seenByViewer = pictures(publishers, layers, layout);
  const kinds = video ? 2 : 1;
  const others = (publishers - 1) * publishers + publishers * viewers;
  return {
    videoIn: video ? scale(sumFlows(layers), publishers) : NOTHING,
    videoOut: video ? sumFlows([scale(seenByPublisher, publishers), scale(seenByViewer, viewers)]) : NOTHING,
    audioIn,
    audioOut,
    tracksIn: publishers * kinds,
    tracksOut: others * kinds,
  };
}

export function people({ publishers, viewers }: RoomKind): number {
  return publishers + viewers;
}

export function sumFlows(flows: readonly Flow[]): Flow {
  return flows.reduce(
    (sum, flow) => ({
      packets: sum.packets + flow.packets,
      trains: sum.trains + flow.trains,
      bits: sum.bits + flow.bits,
    }),
    NOTHING,
  );
}

export function scale(flow: Flow, times: number): Flow {
  return { packets: flow.packets * times, trains: flow.trains * times, bits: flow.bits * times };
}

/** Streams that one person receives when `shown` others show their cameras. */
function pictures(shown: number, layers: readonly Flow[], layout: Layout): Flow {
  if (shown <= 0) return NOTHING;
  const [low = NOTHING] = layers;
  const top = layers.at(-1) ?? low;
  const visible = Math.min(shown, MOST_TILES);
  if (layout === 'speaker' || visible === 1) return sumFlows([top, scale(low, visible - 1)]);
  const tile = visible <= 4 ? (layers.at(-2) ?? top) : low;
  return scale(tile, visible);
}

/** Lowest first, as LiveKit's clients publish: up to three simulcast layers, each half as many lines as the next. */
function layersOf(codec: VideoCodec, lines: PictureLines): Flow[] {
  const top = lines;
  const below = (Object.keys(VIDEO_KBPS).map(Number) as PictureLines[]).filter((known) => known <= top / 2).slice(-2);
  return [...below, top].map((size) => videoFlow(VIDEO_KBPS[size] * (CODEC_SHARE[codec] ?? 1), size));
}

function videoFlow(kbps: number, lines: PictureLines): Flow {
  const frames = lines <= 180 ? 20 : 30;
  const perFrame = Math.max(1, Math.ceil((kbps * 1000) / 8 / frames / PAYLOAD_BYTES));
  const packets = perFrame * frames;
  return { packets, trains: frames, bits: kbps * 1000 + packets * OVERHEAD_BYTES * 8 };
}

function spokenBy(speaking: number): Flow {
  const packets = 50;
  return scale({ packets, trains: packets, bits: AUDIO_KBPS * 1000 + packets * OVERHEAD_BYTES * 8 }, speaking);
}

/** How many hear one publisher. */
function heardBy(publishers: number, viewers: number): number {
  return publishers - 1 + viewers;
}

const NOTHING: Flow = { packets: 0, trains: 0, bits: 0 };
/** RTP with extensions 24, SRTP tag 16, UDP 8, IPv4 20. */
const OVERHEAD_BYTES = 68;
const PAYLOAD_BYTES = 1_100;
/** LiveKit's clients: speech with RED off. */
const AUDIO_KBPS = 32;
/** Opus with DTX: a packet every 400 ms. */
const SILENT: Flow = { packets: 2.5, trains: 2.5, bits: 2.5 * (OVERHEAD_BYTES + 10) * 8 };
/** More cameras than that nobody shows at once; adaptive streams pause the others. */
const MOST_TILES = 25;
/** Presets of LiveKit's client SDKs, kilobits per second. */
const VIDEO_KBPS: Readonly<Record<PictureLines, number>> = {
  180: 160,
  360: 450,
  540: 800,
  720: 1_700,
  1080: 3_000,
  1440: 5_000,
  2160: 8_000,
};
/** Of VP8's bits for the same picture. */
const CODEC_SHARE: Readonly<Record<VideoCodec, number>> = { vp8: 1, h264: 1, vp9: 0.7, h265: 0.7, av1: 0.6 };
