/**
 * An `@livekit/rtc-node` client as a process of its own, so that it can stand in a namespace. Does what its parent asks for
 * over IPC; `support/native.ts` is the other end.
 */

import {
  dispose,
  IceTransportType,
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

const WIDTH = 320;
const HEIGHT = 180;

const room = new Room();
const data: string[] = [];
const events: string[] = [];
let frames = 0;
let color = 'none';
/** When the last frame was, or the last question about gaps. */
let shown = performance.now();
let longestGap = 0;

room
  .on(RoomEvent.DataReceived, (payload) => data.push(new TextDecoder().decode(payload)))
  .on(RoomEvent.Reconnecting, () => events.push('reconnecting'))
  .on(RoomEvent.Reconnected, () => events.push('reconnected'))
  .on(RoomEvent.Disconnected, () => events.push('disconnected'))
  .on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === TrackKind.KIND_VIDEO) void watch(track);
  });

async function watch(track: RemoteTrack): Promise<void> {
  for await (const { frame } of new VideoStream(track)) {
    frames += 1;
    longestGap = Math.max(longestGap, performance.now() - shown);
    shown = performance.now();
    // Looking at the content of every frame would keep a core busy.
    if (frames % 10 === 1) color = prevailing(frame);
  }
}

/** Of a pixel near the corner: the white bar of the sender is seldom there. */
function prevailing(frame: VideoFrame): string {
  const { data: pixels, width } = frame.convert(VideoBufferType.RGBA);
  const index = 4 * (4 * width + 4);
  const [red = 0, green = 0, blue = 0] = pixels.slice(index, index + 3);
  if (Math.max(red, green, blue) - Math.min(red, green, blue) < 60) return color;
  if (red > green && red > blue) return 'red';
  return green > blue ? 'green' : 'blue';
}

type Statistic = Awaited<ReturnType<Room['getRtcStats']>>['publisherStats'][number]['stats'];

/** Of the SDK's IceCandidateType, which it does not export. */
const RELAY = 3;
/** By its IceServerTransportProtocol. */
const RELAY_PROTOCOLS = ['udp', 'tcp', 'tls'];

function routesOf(statistics: Statistic[]): string[] {
  const locals = new Map<string, string>();
  const candidates = new Map<string, string>();
  for (const { case: kind, value } of statistics) {
    if (kind === 'candidatePair') locals.set(value.rtc?.id ?? '', value.candidatePair?.localCandidateId ?? '');
    if (kind !== 'localCandidate') continue;
    const { candidateType, protocol = '', relayProtocol = 0 } = value.candidate ?? {};
    const route = candidateType === RELAY ? `relay-${RELAY_PROTOCOLS[relayProtocol]}` : protocol;
    candidates.set(value.rtc?.id ?? '', route);
  }
  const selected = statistics.map(({ case: kind, value }) =>
    kind === 'transport' ? candidates.get(locals.get(value.transport?.selectedCandidatePairId ?? '') ?? '') : undefined,
  );
  return selected.filter((route) => route !== undefined);
}

const requests = {
  async join(url: string, token: string, relayOnly: boolean): Promise<void> {
    const iceTransportType = relayOnly ? IceTransportType.TRANSPORT_RELAY : IceTransportType.TRANSPORT_ALL;
    const rtcConfig = { iceTransportType, continualGatheringPolicy: 1, iceServers: [] };
    await room.connect(url, token, { autoSubscribe: true, dynacast: false, ...(relayOnly ? { rtcConfig } : {}) });
  },

  /** A green picture that gets brighter and darker. */
  async show(): Promise<void> {
    const source = new VideoSource(WIDTH, HEIGHT);
    const track = LocalVideoTrack.createVideoTrack('picture', source);
    let step = 0;
    setInterval(() => {
      const pixels = Buffer.alloc(WIDTH * HEIGHT * 4, Uint8Array.of(0, 120 + ((step++ * 8) % 120), 0, 255));
      source.captureFrame(new VideoFrame(pixels, WIDTH, HEIGHT, VideoBufferType.RGBA));
    }, 40);
    await room.localParticipant?.publishTrack(track, new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA }));
  },

  async say(text: string): Promise<void> {
    await room.localParticipant?.publishData(new TextEncoder().encode(text), { reliable: true });
  },

  async state(): Promise<State> {
    return { frames, color, data: [...data], events: [...events] };
  },

  async gap(): Promise<number> {
    const gap = Math.max(longestGap, performance.now() - shown);
    longestGap = 0;
    shown = performance.now();
    return Math.round(gap);
  },

  /** How its transports send, in the words of `PageClient.routes`. */
  async routes(): Promise<string[]> {
    const { publisherStats, subscriberStats } = await room.getRtcStats();
    return [publisherStats, subscriberStats].flatMap((stats) => routesOf(stats.map(({ stats }) => stats)));
  },

  /** Packets of video received so far. */
  async videoPackets(): Promise<number> {
    const { publisherStats, subscriberStats } = await room.getRtcStats();
    const counts = [...publisherStats, ...subscriberStats].map(({ stats: { case: kind, value } }) =>
      kind === 'inboundRtp' && value.stream?.kind === 'video' ? Number(value.received?.packetsReceived ?? 0) : 0,
    );
    return counts.reduce((sum, count) => sum + count, 0);
  },

  async leave(): Promise<void> {
    await room.disconnect();
  },
};

/** What the client has got so far. */
export interface State {
  frames: number;
  color: string;
  data: string[];
  events: string[];
}

export type Requests = typeof requests;

interface Request {
  id: number;
  name: keyof Requests;
  args: unknown[];
}

process.on('message', ({ id, name, args }: Request) => {
  const request = requests[name] as (...args: unknown[]) => Promise<unknown>;
  request(...args).then(
    (value) => process.send?.({ id, value }),
    (error: Error) => process.send?.({ id, error: error.message }),
  );
});
process.on('disconnect', () => {
  void dispose().finally(() => process.exit(0));
});
