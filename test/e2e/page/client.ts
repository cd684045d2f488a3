/**
 * Runs inside the browser: a livekit-client room with sources whose content is known and sinks that look at what was
 * decoded. Tests call it through `BrowserClient.run`.
 */

import {
  ConnectionState,
  ExternalE2EEKeyProvider,
  LocalAudioTrack,
  LocalVideoTrack,
  type RemoteParticipant,
  type RemoteTrack,
  Room,
  RoomEvent,
  type RoomOptions,
  Track,
  type TrackPublishOptions,
  VideoQuality,
} from 'livekit-client';
import { publishDataTrack, readDataTrack, sendUnlabeled } from './data.ts';
import { paintedTrack, type Seen, Watcher } from './picture.ts';
import { Ear, tone } from './sound.ts';

export interface JoinOptions {
  url: string;
  token: string;
  singlePeerConnection?: boolean;
  adaptiveStream?: boolean;
  dynacast?: boolean;
  autoSubscribe?: boolean;
  /** End-to-end encryption with this passphrase. */
  key?: string;
  /** Nothing but relays. */
  relayOnly?: boolean;
}

export interface PictureOptions extends TrackPublishOptions {
  color: string;
  width?: number;
  height?: number;
}

/** Whatever happened, in order, for `waitFor`. */
interface Happened {
  name: string;
  detail: unknown;
}

export class PageClient {
  room!: Room;
  readonly quality = VideoQuality;
  readonly #happened: Happened[] = [];
  readonly #watchers = new Map<string, Watcher>();
  readonly #ears = new Map<string, Ear>();
  readonly #stops = new Map<string, () => void>();
  readonly #viewed: RemoteTrack[] = [];
  #size: [number, number] | undefined;

  async join(options: JoinOptions): Promise<string> {
    const {
      url,
      token,
      singlePeerConnection = true,
      adaptiveStream = false,
      dynacast = false,
      autoSubscribe = true,
      relayOnly = false,
    } = options;
    const settings: RoomOptions = { singlePeerConnection, adaptiveStream, dynacast };
    if (options.key !== undefined) {
      const keyProvider = new ExternalE2EEKeyProvider();
      await keyProvider.setKey(options.key);
      settings.encryption = { keyProvider, worker: new Worker('/e2ee-worker.js') };
    }
    this.room = new Room(settings);
    this.#record(this.room);
    if (options.key !== undefined) await this.room.setE2EEEnabled(true);
    const rtcConfig: RTCConfiguration = relayOnly ? { iceTransportPolicy: 'relay' } : {};
    await this.room.connect(url, token, { autoSubscribe, rtcConfig });
    return this.room.localParticipant.sid;
  }

  #record(room: Room): void {
    const log = (name: string, detail: unknown = null) => this.#happened.push({ name, detail });
    room
      .on(RoomEvent.ParticipantConnected, (participant) => log('joined', participant.identity))
      .on(RoomEvent.ParticipantDisconnected, (participant) => log('left', participant.identity))
      .on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
        log('subscribed', `${participant.identity} ${track.source}`);
        this.#attach(track, participant);
      })
      .on(RoomEvent.TrackUnsubscribed, (track, _publication, participant) => {
        log('unsubscribed', `${participant.identity} ${track.source}`);
        this.#watchers.get(`${participant.identity} ${track.source}`)?.close();
        this.#watchers.delete(`${participant.identity} ${track.source}`);
      })
      .on(RoomEvent.TrackPublished, (publication, participant) =>
        log('published', `${participant.identity} ${publication.source}`),
      )
      .on(RoomEvent.TrackUnpublished, (publication, participant) =>
        log('unpublished', `${participant.identity} ${publication.source}`),
      )
      .on(RoomEvent.TrackMuted, (publication, participant) =>
        log('muted', `${participant.identity} ${publication.source}`),
      )
      .on(RoomEvent.TrackUnmuted, (publication, participant) =>
        log('unmuted', `${participant.identity} ${publication.source}`),
      )
      .on(RoomEvent.TrackSubscriptionPermissionChanged, (publication, status, participant) =>
        log('permission', `${participant.identity} ${publication.source} ${status}`),
      )
      .on(RoomEvent.DataReceived, (payload, participant, kind, topic) =>
        log('data', { from: participant?.identity ?? '', text: new TextDecoder().decode(payload), kind, topic }),
      )
      .on(RoomEvent.ChatMessage, (message, participant) => log('chat', `${participant?.identity} ${message.message}`))
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
        log(
          'speakers',
          speakers.map((one) => one.identity),
        ),
      )
      .on(RoomEvent.ConnectionQualityChanged, (quality, participant) =>
        log('quality', `${participant.identity} ${quality}`),
      )
      .on(RoomEvent.ParticipantMetadataChanged, (_old, participant) =>
        log('metadata', `${participant.identity} ${participant.metadata}`),
      )
      .on(RoomEvent.ParticipantNameChanged, (name, participant) => log('name', `${participant.identity} ${name}`))
      .on(RoomEvent.ParticipantAttributesChanged, (changed, participant) =>
        log('attributes', { identity: participant.identity, changed }),
      )
      .on(RoomEvent.ParticipantPermissionsChanged, (_old, participant) => log('permissions', participant.identity))
      .on(RoomEvent.RoomMetadataChanged, (metadata) => log('room-metadata', metadata))
      .on(RoomEvent.SignalReconnecting, () => log('signal-reconnecting'))
      .on(RoomEvent.Reconnecting, () => log('reconnecting'))
      .on(RoomEvent.Reconnected, () => log('reconnected'))
      .on(RoomEvent.Disconnected, (reason) => log('disconnected', reason ?? null));
  }

  #attach(track: RemoteTrack, participant: RemoteParticipant): void {
    const key = `${participant.identity} ${track.source}`;
    if (track.kind === Track.Kind.Video) {
      this.#watchers.set(key, new Watcher(track.attach() as HTMLVideoElement, this.#size));
    } else {
      this.#ears.set(key, new Ear(track));
    }
  }

  /** Pictures are shown at this size, CSS pixels, from their first on. */
  showAt(width: number, height: number): void {
    this.#size = [width, height];
  }

  /** Shows somebody's camera at another size. */
  resize(identity: string, width: number, height: number): void {
    this.#watchers.get(`${identity} ${Track.Source.Camera}`)?.resize(width, height);
  }

  /** Takes somebody's camera out of sight, or brings it back. */
  hide(identity: string, hidden: boolean): void {
    this.#watchers.get(`${identity} ${Track.Source.Camera}`)?.hide(hidden);
  }

  /** Resolves once layers of these heights, and no others, leave this client for a track of its own. */
  async sends(sid: string, heights: number[], timeout = 20_000): Promise<void> {
    const sender = (this.#local(sid).track as LocalVideoTrack).sender;
    let last = new Map<string, number>();
    let sent: number[] = [];
    const moving = async () => {
      const report = await sender?.getStats();
      const layers = [...(report?.values() ?? [])].filter((entry) => entry.type === 'outbound-rtp');
      const now = new Map(layers.map(({ rid, framesSent }) => [rid as string, (framesSent as number) ?? 0]));
      sent = layers
        .filter(({ rid }) => (now.get(rid) ?? 0) > (last.get(rid) ?? 0))
        .map(({ frameHeight }) => frameHeight);
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 700));
    };
    await moving();
    try {
      await this.until(
        async () => {
          await moving();
          return JSON.stringify(sent.sort((a, b) => a - b)) === JSON.stringify(heights) || undefined;
        },
        `layers ${heights}`,
        timeout,
      );
    } catch (error) {
      throw new Error(`sends ${sent}; ${(error as Error).message}`);
    }
  }

  /** Resolves with the detail of the first such event, past or to come; each is given out once. */
  async waitFor(name: string, detail?: unknown, timeout = 15_000): Promise<unknown> {
    const wanted = detail === undefined ? undefined : JSON.stringify(detail);
    return this.until(
      () => {
        const index = this.#happened.findIndex(
          (entry) => entry.name === name && (wanted === undefined || JSON.stringify(entry.detail) === wanted),
        );
        return index < 0 ? undefined : { value: this.#happened.splice(index, 1)[0]?.detail };
      },
      `${name} ${wanted ?? ''}`,
      timeout,
    ).then((found) => found.value);
  }

  sendUnlabeled(text: string): Promise<void> {
    return sendUnlabeled(this.room, text);
  }

  publishDataTrack(name: string): Promise<void> {
    return publishDataTrack(this.room, name);
  }

  async readDataTrack(identity: string, name: string): Promise<void> {
    await this.until(() => this.room.remoteParticipants.get(identity), `${identity} is there`);
    await readDataTrack(this.room, identity, name);
  }

  /** How often something happened that nobody waited for. */
  count(name: string): number {
    return this.#happened.filter((entry) => entry.name === name).length;
  }

  /** Polls a condition of the page; the only place that waits by the clock. */
  async until<T>(condition: () => T | undefined | Promise<T | undefined>, what: string, timeout = 15_000): Promise<T> {
    const deadline = performance.now() + timeout;
    for (;;) {
      const value = await condition();
      if (value !== undefined && value !== false && value !== null) return value;
      if (performance.now() > deadline) {
        throw new Error(`timed out: ${what}; happened: ${JSON.stringify(this.#happened).slice(0, 1500)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Publishes a moving picture of one color. Resolves with the track's sid. */
  async showPicture(options: PictureOptions): Promise<string> {
    const { color, width = 1280, height = 720, ...publish } = options;
    const source = publish.source ?? Track.Source.Camera;
    const painted = paintedTrack(color, width, height);
    const track = new LocalVideoTrack(painted.track, undefined, true);
    const publication = await this.room.localParticipant.publishTrack(track, { source, ...publish });
    this.#stops.set(publication.trackSid, painted.stop);
    return publication.trackSid;
  }

  /** Publishes a tone of this frequency in Hz. */
  async playTone(frequency: number, options: TrackPublishOptions = {}): Promise<string> {
    const sound = tone(frequency);
    const track = new LocalAudioTrack(sound.track, undefined, true);
    const publication = await this.room.localParticipant.publishTrack(track, {
      source: Track.Source.Microphone,
      ...options,
    });
    this.#stops.set(publication.trackSid, sound.stop);
    return publication.trackSid;
  }

  async unpublish(sid: string): Promise<void> {
    const track = this.#local(sid).track;
    if (track !== undefined)
      await this.room.localParticipant.unpublishTrack(track as LocalVideoTrack | LocalAudioTrack, true);
    this.#stops.get(sid)?.();
  }

  async mute(sid: string, muted: boolean): Promise<void> {
    const track = this.#local(sid).track as LocalVideoTrack | LocalAudioTrack;
    await (muted ? track.mute() : track.unmute());
  }

  #local(sid: string) {
    const publication = [...this.room.localParticipant.trackPublications.values()].find(
      (entry) => entry.trackSid === sid,
    );
    if (publication === undefined) throw new Error(`no local track ${sid}`);
    return publication;
  }

  remote(identity: string): RemoteParticipant {
    const participant = this.room.remoteParticipants.get(identity);
    if (participant === undefined) throw new Error(`${identity} is not in the room`);
    return participant;
  }

  publication(identity: string, source: string) {
    const publication = this.remote(identity).getTrackPublication(source as Track.Source);
    if (publication === undefined) throw new Error(`${identity} publishes no ${source}`);
    return publication as import('livekit-client').RemoteTrackPublication;
  }

  /** Resolves once frames are decoded whose content changes, and says what is on them. */
  async see(identity: string, source: string = Track.Source.Camera, timeout = 20_000): Promise<Seen> {
    const key = `${identity} ${source}`;
    const watcher = await this.until(() => this.#watchers.get(key), `subscription to ${key}`, timeout);
    return this.until(() => watcher.look(), `moving pictures of ${key}; ${await this.describe()}`, timeout);
  }

  /** Resolves once the picture has this height. */
  async seeHeight(identity: string, height: number, timeout = 20_000): Promise<Seen> {
    return this.until(
      async () => {
        const seen = await this.see(identity);
        return Math.abs(seen.height - height) <= 8 ? seen : undefined;
      },
      `a picture ${height} high of ${identity}`,
      timeout,
    );
  }

  /** Packets received so far of somebody's camera, repeated ones not counted. */
  async videoPackets(identity: string): Promise<number> {
    const { track } = this.publication(identity, Track.Source.Camera);
    const report = await (track as { receiver?: RTCRtpReceiver } | undefined)?.receiver?.getStats();
    const inbound = [...(report?.values() ?? [])].find((entry) => entry.type === 'inbound-rtp');
    return inbound?.packetsReceived ?? 0;
  }

  /** Frames decoded in the next so many milliseconds. */
  async framesIn(identity: string, milliseconds: number, source: string = Track.Source.Camera): Promise<number> {
    const watcher = this.#watchers.get(`${identity} ${source}`);
    if (watcher === undefined) return 0;
    const before = watcher.frames;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return watcher.frames - before;
  }

  /** The longest time without a new frame of somebody's camera since the last question, milliseconds. */
  gap(identity: string): number {
    return this.#watchers.get(`${identity} ${Track.Source.Camera}`)?.gap() ?? Number.POSITIVE_INFINITY;
  }

  /** Resolves once the loudest frequency heard from somebody is this one, within 5 %. */
  async hear(identity: string, frequency: number, timeout = 20_000): Promise<number> {
    const key = `${identity} ${Track.Source.Microphone}`;
    const ear = await this.until(() => this.#ears.get(key), `subscription to ${key}`, timeout);
    return this.until(
      () => {
        const heard = ear.loudest();
        return Math.abs(heard - frequency) <= frequency * 0.05 ? heard : undefined;
      },
      `${frequency} Hz of ${key}, heard ${ear.loudest()}`,
      timeout,
    );
  }

  /** The codec of what is received from somebody, as in `video/VP8`. */
  async codec(identity: string, source: string = Track.Source.Camera): Promise<string> {
    const receiver = (this.publication(identity, source).track as { receiver?: RTCRtpReceiver } | undefined)?.receiver;
    const report = await receiver?.getStats();
    return this.until(
      () => {
        for (const entry of report?.values() ?? []) if (entry.type === 'codec') return entry.mimeType as string;
        return undefined;
      },
      'a codec in the statistics',
      5_000,
    );
  }

  /** How each peer connection sends: `udp` or `tcp`, or `relay` and how it reaches that, as in `relay-tls`. */
  async routes(): Promise<string[]> {
    const { pcManager } = (this.room as unknown as { engine: { pcManager?: PeerConnections } }).engine;
    const routes: string[] = [];
    for (const connection of [pcManager?.publisher, pcManager?.subscriber]) {
      const report = await connection?.getStats();
      for (const entry of report?.values() ?? []) {
        if (entry.type !== 'transport') continue;
        const local = report?.get(report?.get(entry.selectedCandidatePairId)?.localCandidateId);
        if (local === undefined) continue;
        routes.push(local.candidateType === 'relay' ? `relay-${local.relayProtocol}` : local.protocol);
      }
    }
    return routes;
  }

  /** Where each peer connection sends to, as in `127.0.0.1:7882` or `[::1]:7882`. */
  async paths(): Promise<string[]> {
    const { pcManager } = (this.room as unknown as { engine: { pcManager?: PeerConnections } }).engine;
    const paths: string[] = [];
    for (const connection of [pcManager?.publisher, pcManager?.subscriber]) {
      const report = await connection?.getStats();
      for (const entry of report?.values() ?? []) {
        if (entry.type !== 'transport') continue;
        const pair = report?.get(entry.selectedCandidatePairId);
        const { address, port } = report?.get(pair?.remoteCandidateId) ?? {};
        paths.push(`${address?.includes(':') ? `[${address}]` : address}:${port}`);
      }
    }
    return paths;
  }

  /** The address of each candidate that the server offered. */
  async offered(): Promise<string[]> {
    const { pcManager } = (this.room as unknown as { engine: { pcManager?: PeerConnections } }).engine;
    const addresses: string[] = [];
    for (const connection of [pcManager?.publisher, pcManager?.subscriber]) {
      for (const entry of (await connection?.getStats())?.values() ?? []) {
        if (entry.type === 'remote-candidate') addresses.push(entry.address);
      }
    }
    return addresses;
  }

  async describe(): Promise<string> {
    const lines: string[] = [];
    for (const participant of this.room.remoteParticipants.values()) {
      for (const publication of participant.trackPublications.values()) {
        const receiver = (publication.track as { receiver?: RTCRtpReceiver } | undefined)?.receiver;
        const stats = [...((await receiver?.getStats())?.values() ?? [])].find((entry) => entry.type === 'inbound-rtp');
        lines.push(
          `${participant.identity} ${publication.source} subscribed=${publication.isSubscribed} packets=${stats?.packetsReceived} decoded=${stats?.framesDecoded}`,
        );
      }
    }
    return lines.join('; ');
  }

  /** Many rooms in one page, each subscribed to everything: viewers for measurements. */
  async joinViewers(url: string, tokens: string[]): Promise<void> {
    for (const token of tokens) {
      const room = new Room({ singlePeerConnection: true });
      room.on(RoomEvent.TrackSubscribed, (track) => {
        // Decoding without painting: an element that is not in the page.
        if (track.kind === Track.Kind.Video) track.attach();
        this.#viewed.push(track);
      });
      await room.connect(url, token);
    }
  }

  /** Over all viewers of this page. */
  async packetsReceived(): Promise<number> {
    let sum = 0;
    for (const track of this.#viewed) {
      const report = await (track as { receiver?: RTCRtpReceiver }).receiver?.getStats();
      for (const entry of report?.values() ?? []) if (entry.type === 'inbound-rtp') sum += entry.packetsReceived ?? 0;
    }
    return sum;
  }

  get connected(): boolean {
    return this.room.state === ConnectionState.Connected;
  }

  /** Cuts the signal connection under the client, as a bad network does. */
  killSignal(): void {
    const { engine } = this.room as unknown as { engine: { client: { ws?: { close(): void } } } };
    engine.client.ws?.close();
  }

  async leave(): Promise<void> {
    await this.room.disconnect();
  }
}

/** What livekit-client keeps of its peer connections. */
interface PeerConnections {
  publisher?: { getStats(): Promise<RTCStatsReport> | undefined };
  subscriber?: { getStats(): Promise<RTCStatsReport> | undefined };
}

declare global {
  interface Window {
    client: PageClient;
  }
}

window.client = new PageClient();
/** tsx marks named functions with it; what `run` sends over is compiled by tsx. */
Object.assign(window, { __name: (value: unknown) => value });
