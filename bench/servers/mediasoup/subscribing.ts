/** What a participant receives: mediasoup's consumers, and our offers that tell the client of them. */

import { SessionDescription, type VideoQuality } from '@livekit/protocol';
import type { LocalSection } from '../../../ts/negotiate/sdp.ts';
import type { Consumer, ConsumerOptions, Kind, RtpCapabilities, Transport } from './api.ts';
import { Line } from './line.ts';
import { emptySection, sectionOf } from './receiving-section.ts';
import { spatialLayer, type Track } from './track.ts';

/** A section of the offers; another track of its kind takes it over. */
interface Slot {
  readonly kind: Kind;
  readonly mid: string;
  track: Track | undefined;
  /** Paused until an answer takes it, as mediasoup's documentation asks for. */
  consumer: { of: Consumer; state: 'new' | 'offered' | 'running' } | undefined;
}

interface Wish {
  quality?: VideoQuality;
  disabled?: boolean;
}

/**
 * ```text
 * stable ──negotiate──▶ offered ──answer──▶ stable
 *                          └─ negotiate meanwhile: again after the answer
 * ```
 */
export class Subscribing {
  readonly #line: Line;
  readonly #capabilities: RtpCapabilities;
  readonly #send: (offer: SessionDescription) => void;
  readonly #slots: Slot[] = [];
  /** By the track's SID; they may come before the track does. */
  readonly #wishes = new Map<string, Wish>();
  #state: 'stable' | 'offered' | 'again' = 'stable';
  #offers = 0;

  constructor(transport: Transport, capabilities: RtpCapabilities, send: (offer: SessionDescription) => void) {
    this.#line = new Line(transport);
    this.#capabilities = capabilities;
    this.#send = send;
  }

  /** Consumes these, and offers; the first call is to come even without any, for the data channel's section. */
  async add(tracks: readonly Track[]): Promise<void> {
    const fresh = tracks.filter((track) => !this.#slots.some((slot) => slot.track === track));
    if (fresh.length === 0 && this.#offers > 0) return;
    await Promise.all(fresh.map((track) => this.#consume(track)));
    this.#negotiate();
  }

  remove(tracks: readonly Track[]): void {
    const slots = this.#slots.filter(({ track }) => track !== undefined && tracks.includes(track));
    if (slots.length === 0) return;
    for (const slot of slots) {
      slot.consumer?.of.close();
      slot.track = slot.consumer = undefined;
    }
    this.#negotiate();
  }

  /** The client took the last offer. */
  async handleAnswer(answer: SessionDescription): Promise<void> {
    if (this.#state === 'stable' || answer.id !== this.#offers) return;
    const again = this.#state === 'again';
    this.#state = 'stable';
    const started = this.#slots.flatMap(({ track, consumer }) => {
      if (track === undefined || consumer?.state !== 'offered') return [];
      consumer.state = 'running';
      return this.#wishes.get(track.info.sid)?.disabled === true ? [] : [consumer.of.resume()];
    });
    const connected = this.#line.connect(answer.sdp);
    if (again) this.#negotiate();
    await Promise.all([connected, ...started]);
  }

  /** A layer that is wished for, or none for now. */
  async wish(track: string, quality: VideoQuality, disabled: boolean): Promise<void> {
    const before = this.#wishes.get(track);
    this.#wishes.set(track, { quality, disabled });
    const slot = this.#slots.find((one) => one.track?.info.sid === track);
    if (slot?.track === undefined || slot.consumer === undefined) return;
    const { of: consumer, state } = slot.consumer;
    if (state === 'running' && disabled !== (before?.disabled === true)) {
      await (disabled ? consumer.pause() : consumer.resume());
    }
    if (slot.track.info.layers.length > 1 && quality !== before?.quality) {
      await consumer.setPreferredLayers({ spatialLayer: spatialLayer(slot.track.info, quality) });
    }
  }

  async #consume(track: Track): Promise<void> {
    let slot = this.#slots.find((one) => one.track === undefined && one.kind === track.kind);
    if (slot === undefined) {
      // The first section is that of data.
      slot = { kind: track.kind, mid: String(this.#slots.length + 1), track: undefined, consumer: undefined };
      this.#slots.push(slot);
    }
    slot.track = track;
    const { quality } = this.#wishes.get(track.info.sid) ?? {};
    const layered = quality !== undefined && track.info.layers.length > 1;
    const options: ConsumerOptions = {
      producerId: track.producer.id,
      rtpCapabilities: this.#capabilities,
      paused: true,
      mid: slot.mid,
      ...(layered ? { preferredLayers: { spatialLayer: spatialLayer(track.info, quality) } } : {}),
    };
    try {
      const consumer = await this.#line.transport.consume(options);
      if (slot.track === track) slot.consumer = { of: consumer, state: 'new' };
      else consumer.close();
    } catch (error) {
      // Of a track that ended meanwhile there is nothing to consume.
      if (slot.track === track) throw error;
    }
  }

  #negotiate(): void {
    if (this.#state !== 'stable') {
      this.#state = 'again';
      return;
    }
    this.#state = 'offered';
    this.#offers += 1;
    const midToTrackId: Record<string, string> = {};
    const sections = this.#slots.map(({ kind, mid, track, consumer }): LocalSection => {
      if (track === undefined || consumer === undefined) return emptySection(kind, mid);
      if (consumer.state === 'new') consumer.state = 'offered';
      midToTrackId[mid] = track.info.sid;
      const { publisher, info } = track;
      return sectionOf({ kind, mid, publisher, track: info.sid, parameters: consumer.of.rtpParameters });
    });
    const data: LocalSection = { kind: 'application', mid: '0', rejected: false, protocol: 'UDP/DTLS/SCTP' };
    const sdp = this.#line.describe('actpass', [data, ...sections]);
    this.#send(new SessionDescription({ type: 'offer', sdp, id: this.#offers, midToTrackId }));
  }
}
