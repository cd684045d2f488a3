/**
 * Our peer connection towards the client in dual mode: we offer, it answers (livekit-facts 3.2).
 *
 *     idle ──offer──▶ awaiting ──answer──▶ idle
 *                       │  ▲
 *       change wanted   ▼  │ answer: offers again at once
 *                      again
 */

import { randomInt } from 'node:crypto';
import type { MediaKind } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import { Debounce, NEGOTIATION_DELAY_MS, NEGOTIATION_TIMEOUT_MS } from './debounce.ts';
import { type LocalSection, type MediaSection, parseDescription } from './sdp.ts';
import { Sender } from './sender.ts';
import { offerSection } from './sending-section.ts';
import { Transport } from './transport.ts';
import type { NegotiationHost, NegotiationOptions, SubscriptionRequest } from './types.ts';

/** One m-line of ours; it outlives its sender and serves the next one of its kind. */
interface Slot {
  mid: string;
  kind: MediaKind;
  sender: Sender | undefined;
}

type State = { name: 'idle' } | { name: 'awaiting'; id: number; again: boolean; timer: NodeJS.Timeout };

export class Subscriber {
  readonly transport: Transport;
  readonly #engine: MediaEngine;
  readonly #host: NegotiationHost;
  readonly #options: NegotiationOptions;
  readonly #data: boolean;
  #state: State = { name: 'idle' };
  #slots: Slot[] = [];
  #waiting: Sender[] = [];
  #nextId = randomInt(1, 257);
  #started = false;
  /** mid of the data channels' section, once described. */
  readonly #dataMid = 'data';
  readonly #debounce = new Debounce(NEGOTIATION_DELAY_MS, () => this.#offerWhenReady());

  /** `data`: the channels towards the client live here (subscriber primary). */
  constructor(engine: MediaEngine, host: NegotiationHost, options: NegotiationOptions, data: boolean) {
    this.#engine = engine;
    this.#host = host;
    this.#options = options;
    this.#data = data;
    this.transport = new Transport(engine, host, options, 'subscriber', data);
    if (data) this.#openChannels();
  }

  #openChannels(): void {
    const { peer } = this.transport;
    this.transport.send({ type: 'openDataChannel', peer, label: '_reliable', ordered: true, maxRetransmits: null });
    this.transport.send({ type: 'openDataChannel', peer, label: '_lossy', ordered: false, maxRetransmits: 0 });
    if (!this.#options.dataTracks) return;
    this.transport.send({ type: 'openDataChannel', peer, label: '_data_track', ordered: false, maxRetransmits: 0 });
  }

  /** The join response is out: the first offer goes at once, with every subscription made so far. */
  start(): void {
    this.#started = true;
    if (this.#data || this.#waiting.length > 0) this.#offerWhenReady();
  }

  subscribe(request: SubscriptionRequest): Sender {
    const sender = new Sender(this.#engine, this.#host, this.transport, request, () => this.#changed());
    this.#waiting.push(sender);
    this.#changed();
    return sender;
  }

  #changed(): void {
    for (const slot of this.#slots) if (slot.sender !== undefined && slot.sender.mid === undefined) this.#release(slot);
    this.#waiting = this.#waiting.filter((sender) => !sender.closed);
    if (this.#started && !this.transport.closed) this.#debounce.request();
  }

  #release(slot: Slot): void {
    const { sender } = slot;
    slot.sender = undefined;
    if (sender?.waiting) this.#waiting.push(sender);
  }

  restartIce(): void {
    if (this.transport.described) this.transport.restartIce();
    else if (this.#state.name !== 'awaiting') return;
    // An offer made before the signal connection was lost may never be answered.
    this.#settle();
    this.#offerWhenReady();
  }

  #offerWhenReady(): void {
    this.transport.ready.then(
      () => this.#offer(),
      () => {},
    );
  }

  #offer(): void {
    if (this.transport.closed) return;
    if (this.#state.name === 'awaiting') {
      this.#state.again = true;
      return;
    }
    this.#debounce.cancel();
    this.#place();
    const sections = this.#sections();
    if (sections.length === 0) return;
    const id = this.#nextId++;
    const timer = setTimeout(() => this.#onTimeout(), NEGOTIATION_TIMEOUT_MS);
    this.#state = { name: 'awaiting', id, again: false, timer };
    this.#host.sendOffer(this.transport.write(sections, 'actpass'), id, this.#midToTrack());
    this.transport.trickle(sections);
  }

  /** Gives each waiting subscription a free section of its kind, or a new one. */
  #place(): void {
    for (const sender of this.#waiting.splice(0)) {
      if (!sender.waiting) continue;
      let slot = this.#slots.find((entry) => entry.kind === sender.request.kind && entry.sender === undefined);
      if (slot === undefined) {
        slot = { mid: String(this.#slots.length), kind: sender.request.kind, sender: undefined };
        this.#slots.push(slot);
      }
      slot.sender = sender;
      sender.attach(slot.mid);
    }
  }

  #sections(): LocalSection[] {
    const data: LocalSection = {
      kind: 'application',
      mid: this.#dataMid,
      rejected: false,
      protocol: 'UDP/DTLS/SCTP',
    };
    const media = this.#slots.map((slot) => offerSection(slot.mid, slot.kind, slot.sender, this.#options));
    // Sections keep their place for ever, so the one that was there first stays first.
    return this.#data ? [data, ...media] : media;
  }

  #midToTrack(): Record<string, string> {
    const map: Record<string, string> = {};
    for (const slot of this.#slots) if (slot.sender !== undefined) map[slot.mid] = slot.sender.trackSid;
    return map;
  }

  handleAnswer(sdp: string, id: number): void {
    if (this.#state.name !== 'awaiting' || (id !== 0 && id !== this.#state.id)) return;
    const { again } = this.#state;
    const remote = parseDescription(sdp);
    this.#settle();
    this.transport.describe(remote);
    const answered = new Map(remote.sections.map((section) => [section.mid, section]));
    for (const slot of this.#slots) {
      const section = answered.get(slot.mid);
      if (section !== undefined && section.kind !== 'application') slot.sender?.negotiated(acceptedCodecs(section));
    }
    if (again) this.#offer();
  }

  #settle(): void {
    if (this.#state.name === 'awaiting') clearTimeout(this.#state.timer);
    this.#state = { name: 'idle' };
  }

  #onTimeout(): void {
    this.#settle();
    if (this.transport.connected) this.#host.onNegotiationFailed('no answer to an offer within 15 s');
  }

  close(): void {
    this.#debounce.cancel();
    this.#settle();
    for (const slot of this.#slots) slot.sender?.close();
    for (const sender of this.#waiting) sender.close();
    this.transport.close();
  }
}

function acceptedCodecs(section: MediaSection) {
  const receives = !section.rejected && (section.direction === 'recvonly' || section.direction === 'sendrecv');
  return receives ? section.codecs : [];
}
