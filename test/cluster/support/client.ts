/** `@livekit/rtc-node` clients: quick to start, many in one process, and they reconnect as native SDKs do. */

import {
  DisconnectReason,
  LocalVideoTrack,
  type RemoteParticipant,
  type RemoteTrack,
  Room,
  RoomEvent,
  type RoomOptions,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from '@livekit/rtc-node';
import type { VideoGrant } from 'livekit-server-sdk';
import { disconnect } from '../../e2e/support/sdk.ts';
import { joinToken } from '../../e2e/support/server.ts';
import { atEnd } from './endings.ts';
import { until } from './fleet.ts';
import { GapMeter } from './gap.ts';

export interface ClientOptions {
  /** One peer connection for both directions; two otherwise. */
  singlePeerConnection?: boolean;
  autoSubscribe?: boolean;
  grant?: VideoGrant;
  token?: { name?: string; metadata?: string; attributes?: Record<string, string> };
}

/** The ways in which clients connect, as livekit-server's own tests take each in turn. */
export const WAYS = [
  { way: 'two peer connections', singlePeerConnection: false },
  { way: 'a single peer connection', singlePeerConnection: true },
] as const;

const WIDTH = 160;
const HEIGHT = 120;
const FRAME_MS = 40;

export class Client {
  readonly identity: string;
  readonly room = new Room();
  /** What became of its connection and of others, in order, as `reconnecting` or `joined bob`. */
  readonly events: string[] = [];
  /** Texts that came in, by `identity: text`. */
  readonly texts: string[] = [];
  /** Frames received by the identity of their sender. */
  readonly received = new Map<string, GapMeter>();
  /** Frames given to the encoder. */
  readonly sent = new GapMeter();
  readonly #forget = atEnd(() => this.leave());
  readonly #cameras: NodeJS.Timeout[] = [];

  private constructor(identity: string) {
    this.identity = identity;
    this.#record();
  }

  static async join(url: string, room: string, identity: string, options: ClientOptions = {}): Promise<Client> {
    const { singlePeerConnection = true, autoSubscribe = true, grant, token } = options;
    const client = new Client(identity);
    // The SDK's own types leave out what it passes on.
    const settings = { autoSubscribe, dynacast: false, singlePeerConnection } as RoomOptions;
    await client.room.connect(url, await joinToken(room, identity, grant, token), settings);
    return client;
  }

  get sid(): string {
    return this.room.localParticipant?.sid ?? '';
  }

  /** Whom it sees, sorted. */
  get others(): string[] {
    return [...this.room.remoteParticipants.keys()].sort();
  }

  remote(identity: string): RemoteParticipant | undefined {
    return this.room.remoteParticipants.get(identity);
  }

  /** How many tracks of somebody it is subscribed to. */
  tracksOf(identity: string): number {
    const publications = [...(this.remote(identity)?.trackPublications.values() ?? [])];
    return publications.filter((one) => one.track !== undefined).length;
  }

  count(event: string): number {
    return this.events.filter((one) => one === event).length;
  }

  /** Publishes a small green picture that moves, 25 a second; resolves with the track's sid. */
  async show(name = 'picture', source = TrackSource.SOURCE_CAMERA): Promise<string> {
    const pictures = new VideoSource(WIDTH, HEIGHT);
    const track = LocalVideoTrack.createVideoTrack(name, pictures);
    let step = 0;
    const draw = () => {
      const pixels = Buffer.alloc(WIDTH * HEIGHT * 4, Uint8Array.of(0, 120 + ((step++ * 8) % 120), 0, 255));
      pictures.captureFrame(new VideoFrame(pixels, WIDTH, HEIGHT, VideoBufferType.RGBA));
      this.sent.tick();
    };
    this.#cameras.push(setInterval(draw, FRAME_MS));
    const options = new TrackPublishOptions({ source, simulcast: false });
    const publication = await this.room.localParticipant?.publishTrack(track, options);
    return publication?.sid ?? '';
  }

  async say(text: string): Promise<void> {
    await this.room.localParticipant?.publishData(new TextEncoder().encode(text), { reliable: true });
  }

  /** Resolves once so many frames more of somebody were decoded. */
  async sees(identity: string, frames = 10, timeout = 20_000): Promise<void> {
    const before = this.received.get(identity)?.frames ?? 0;
    const more = () => (this.received.get(identity)?.frames ?? 0) >= before + frames;
    await until(`${this.identity} sees ${identity}; ${this.events}`, more, timeout);
  }

  async hears(text: string, timeout = 10_000): Promise<void> {
    const heard = () => this.texts.includes(text);
    await until(`${this.identity} hears "${text}"`, heard, timeout).catch((error: Error) => {
      throw new Error(`${error.message}; heard ${JSON.stringify(this.texts)}`);
    });
  }

  /** Forgets gaps so far; those of the time from here on are asked with `gap`. */
  watch(...identities: string[]): void {
    for (const identity of identities) this.received.get(identity)?.take();
  }

  /** The longest time without a new frame of somebody since the last question, milliseconds. */
  gap(identity: string): number {
    return this.received.get(identity)?.take() ?? Number.POSITIVE_INFINITY;
  }

  /** Media packets that never came, over all tracks it receives. */
  async lost(): Promise<number> {
    const { publisherStats, subscriberStats } = await this.room.getRtcStats();
    const counts = [...publisherStats, ...subscriberStats].map(({ stats: { case: kind, value } }) =>
      kind === 'inboundRtp' ? Number(value.received?.packetsLost ?? 0) : 0,
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async leave(): Promise<void> {
    this.#forget();
    for (const camera of this.#cameras.splice(0)) clearInterval(camera);
    await disconnect(this.room);
  }

  #record(): void {
    const log = (event: string) => this.events.push(event);
    this.room
      .on(RoomEvent.DataReceived, (payload, from) =>
        this.texts.push(`${from?.identity ?? ''}: ${new TextDecoder().decode(payload)}`),
      )
      .on(RoomEvent.Reconnecting, () => log('reconnecting'))
      .on(RoomEvent.Reconnected, () => log('reconnected'))
      .on(RoomEvent.Disconnected, (reason) => log(`disconnected ${DisconnectReason[reason]}`))
      .on(RoomEvent.ParticipantConnected, ({ identity }) => log(`joined ${identity}`))
      .on(RoomEvent.ParticipantDisconnected, ({ identity }) => log(`left ${identity}`))
      .on(RoomEvent.TrackSubscribed, (track, _publication, { identity }) => {
        if (track.kind === TrackKind.KIND_VIDEO) void this.#look(track, identity);
      });
  }

  /** The same meter goes on over tracks that come in each other's place, so that it shows how long a picture stood. */
  async #look(track: RemoteTrack, identity: string): Promise<void> {
    const meter = this.received.get(identity) ?? new GapMeter();
    this.received.set(identity, meter);
    for await (const _ of new VideoStream(track)) meter.tick();
  }
}

/** Two who see each other, for tests of what a fault does to them. */
export class Pair {
  readonly first: Client;
  readonly second: Client;

  private constructor(first: Client, second: Client) {
    this.first = first;
    this.second = second;
  }

  /** Each joins through an address of its own and publishes; resolves once each sees the other. */
  static async call(urls: readonly [string, string], room: string, options: ClientOptions = {}): Promise<Pair> {
    const first = await Client.join(urls[0], room, 'first', options);
    const second = await Client.join(urls[1], room, 'second', options);
    const pair = new Pair(first, second);
    await Promise.all([first.show(), second.show()]);
    await pair.flows();
    pair.watch();
    return pair;
  }

  /** Resolves once new pictures come both ways. */
  async flows(frames = 10, timeout = 20_000): Promise<void> {
    await Promise.all([this.first.sees('second', frames, timeout), this.second.sees('first', frames, timeout)]);
  }

  /** Gaps are counted from here on. */
  watch(): void {
    this.first.watch('second');
    this.second.watch('first');
    this.first.sent.take();
    this.second.sent.take();
  }

  /** The longest time that either went without a picture beyond what the other's camera was late, milliseconds. */
  gap(): number {
    const late = [this.first.sent.take(), this.second.sent.take()] as const;
    const gaps = [this.first.gap('second') - late[1], this.second.gap('first') - late[0]];
    return Math.max(0, ...gaps);
  }

  /** How the SDKs took what happened. */
  events(event: string): number {
    return this.first.count(event) + this.second.count(event);
  }

  async lost(): Promise<number> {
    return (await this.first.lost()) + (await this.second.lost());
  }

  async leave(): Promise<void> {
    await Promise.all([this.first.leave(), this.second.leave()]);
  }
}
