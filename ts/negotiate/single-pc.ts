/**
 * One peer connection for both ways (livekit-facts 3.3). The client always offers; what we need of it we ask for by
 * `media_sections_requirement`.
 *
 * A subscription takes a section on which the client only receives. Where none is free it waits, and the requirement
 * asks for as many as wait; 0/0 asks for a new offer that changes nothing but what we answer. After an offer that
 * brought no new section although we asked, we ask again only when something else changes: a client that ignores the
 * counts must not be asked in a circle.
 */

import type { SignalTarget } from '@livekit/protocol';
import type { MediaKind, PeerId, WorkerId } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import { Debounce, NEGOTIATION_DELAY_MS } from './debounce.ts';
import { ReceiveSections } from './receive-sections.ts';
import { type LocalSection, type MediaSection, parseDescription, type Section } from './sdp.ts';
import { Sender } from './sender.ts';
import { answerReceiver } from './sending-section.ts';
import { Transport } from './transport.ts';
import type { Negotiation, NegotiationHost, NegotiationOptions, Subscription, SubscriptionRequest } from './types.ts';

export class SinglePc implements Negotiation {
  readonly worker: WorkerId;
  readonly upPeers: PeerId[];
  readonly downPeer: PeerId;
  readonly subscriberPrimary = false;
  readonly ready: Promise<void>;
  readonly #engine: MediaEngine;
  readonly #host: NegotiationHost;
  readonly #options: NegotiationOptions;
  readonly #transport: Transport;
  readonly #receive: ReceiveSections;
  /** Senders by the mid they hold. */
  readonly #held = new Map<string, Sender>();
  #waiting: Sender[] = [];
  /** Sections asked for and not yet offered. */
  #requested: Record<MediaKind, number> = { audio: 0, video: 0 };
  /** Sections of the last offer that the client only receives on; not the whole of them, an offer is large. */
  #receivers: Pick<MediaSection, 'kind' | 'mid'>[] = [];
  #answered = false;
  #started = false;
  readonly #debounce = new Debounce(NEGOTIATION_DELAY_MS, () => this.#require());
  /** Runs from when a track was announced. */
  readonly #overdue = new Debounce(PUBLICATION_PATIENCE_MS, () => this.#remind());

  constructor(engine: MediaEngine, host: NegotiationHost, options: NegotiationOptions) {
    this.#engine = engine;
    this.#host = host;
    this.#options = options;
    this.worker = options.worker;
    this.#transport = new Transport(engine, host, options, 'publisher', true);
    this.#receive = new ReceiveSections(engine, host, options, this.#transport);
    this.upPeers = [this.#transport.peer];
    this.downPeer = this.#transport.peer;
    this.ready = this.#transport.ready;
  }

  start(): void {
    this.#started = true;
    if (this.#waiting.length > 0) this.#debounce.request();
  }

  async handleOffer(sdp: string, id: number): Promise<void> {
    await this.#transport.ready;
    const remote = parseDescription(sdp);
    if (this.#transport.isRestart(remote)) this.#transport.restartIce();
    this.#transport.describe(remote);
    this.#dropVanished(remote.sections.map((section) => section.mid));
    const receivers = remote.sections.filter(isReceiver).map(({ kind, mid }) => ({ kind, mid }));
    const grew = receivers.length > this.#receivers.length;
    const asked = this.#requested.audio + this.#requested.video > 0;
    this.#receivers = receivers;
    this.#requested = { audio: 0, video: 0 };
    const sections = remote.sections.map((section) => this.#answerSection(section));
    const answer = this.#transport.write(sections, this.#transport.dtlsRole);
    this.#host.sendAnswer(answer, id, this.#midToTrack());
    this.#transport.trickle(sections);
    this.#answered = true;
    this.#receive.apply(false);
    this.#startSenders(sections);
    // The answer says all that a new offer was wanted for.
    this.#debounce.cancel();
    if (this.#waiting.length > 0 && (grew || !asked)) this.#debounce.request();
  }

  #answerSection(section: Section): LocalSection {
    if (section.kind === 'application') return section;
    if (section.direction === 'sendonly' || section.direction === 'sendrecv') {
      this.#releaseMid(section.mid);
      return this.#receive.answer(section);
    }
    this.#receive.stop(section.mid);
    if (isReceiver(section)) return answerReceiver(section, this.#senderFor(section), this.#options);
    this.#releaseMid((section as MediaSection).mid);
    return answerReceiver(section, undefined, this.#options);
  }

  #senderFor(section: MediaSection): Sender | undefined {
    const held = this.#held.get(section.mid);
    if (held !== undefined && held.mid === section.mid) return held;
    this.#held.delete(section.mid);
    const index = this.#waiting.findIndex((sender) => sender.waiting && sender.request.kind === section.kind);
    const [sender] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (sender === undefined) return undefined;
    sender.attach(section.mid);
    this.#held.set(section.mid, sender);
    return sender;
  }

  #startSenders(sections: LocalSection[]): void {
    for (const section of sections) {
      if (section.kind !== 'application' && section.direction !== 'recvonly') {
        this.#held.get(section.mid)?.negotiated(section.rejected ? [] : section.codecs);
      }
    }
  }

  /** The section is not ours to send on any more: its subscription looks for another. */
  #releaseMid(mid: string): void {
    const sender = this.#held.get(mid);
    this.#held.delete(mid);
    if (sender === undefined || sender.mid !== mid) return;
    sender.detach();
    this.#waiting.push(sender);
  }

  #dropVanished(mids: string[]): void {
    const present = new Set(mids);
    for (const mid of [...this.#held.keys()]) if (!present.has(mid)) this.#releaseMid(mid);
  }

  #midToTrack(): Record<string, string> {
    const map: Record<string, string> = {};
    for (const [mid, sender] of this.#held) if (sender.mid === mid) map[mid] = sender.trackSid;
    return map;
  }

  subscribe(request: SubscriptionRequest): Subscription {
    const sender = new Sender(this.#engine, this.#host, this.#transport, request, () => this.#changed());
    this.#waiting.push(sender);
    this.#changed();
    return sender;
  }

  #changed(): void {
    for (const [mid, sender] of this.#held) {
      if (sender.mid === mid) continue;
      this.#held.delete(mid);
      if (sender.waiting) this.#waiting.push(sender);
    }
    this.#waiting = this.#waiting.filter((sender) => !sender.closed);
    if (this.#started && !this.#transport.closed) this.#debounce.request();
  }

  #require(): void {
    // Before the first answer the client's own first offer is under way, with its sections in it.
    if (this.#transport.closed || !this.#answered) return;
    const missing = { audio: this.#missing('audio'), video: this.#missing('video') };
    const delta = {
      audio: Math.max(0, missing.audio - this.#requested.audio),
      video: Math.max(0, missing.video - this.#requested.video),
    };
    this.#requested = { audio: this.#requested.audio + delta.audio, video: this.#requested.video + delta.video };
    this.#host.sendMediaSectionsRequirement(delta.audio, delta.video);
  }

  /** Waiting subscriptions of a kind beyond the free sections of it. */
  #missing(kind: MediaKind): number {
    const waiting = this.#waiting.filter((sender) => sender.request.kind === kind).length;
    const free = this.#receivers.filter((section) => section.kind === kind && !this.#held.has(section.mid)).length;
    return Math.max(0, waiting - free);
  }

  async handleAnswer(): Promise<void> {
    // The client never answers here: we don't offer.
  }

  handleTrickle(candidateInit: string, _target: SignalTarget): void {
    this.#transport.addCandidateInit(candidateInit);
  }

  rematch(): void {
    this.#receive.apply(true);
    this.#overdue.request();
  }

  /**
   * A track was announced and no offer has brought it: native SDKs that publish while they take a track away, as after a
   * reconnection, now and then offer just before they add the new one, and never again. Once per track, since clients may
   * announce what they never send.
   */
  #remind(): void {
    if (this.#host.awaitsPublication() && !this.#transport.closed && this.#answered) this.#debounce.request();
  }

  restartIce(): boolean {
    // The client restarts by its next offer. What was asked for may have been lost with the signal connection: where
    // that offer does not bring it, it is asked for again.
    this.#requested = { audio: 0, video: 0 };
    return false;
  }

  close(): void {
    this.#debounce.cancel();
    this.#overdue.cancel();
    for (const sender of [...this.#held.values(), ...this.#waiting]) sender.close();
    this.#receive.close();
    this.#transport.close();
  }
}

/** Clients offer a track within milliseconds of being told that it is published, or never. */
const PUBLICATION_PATIENCE_MS = 1_000;

/** A section on which the client only receives: free for us to send on. */
function isReceiver(section: Section): section is MediaSection {
  return section.kind !== 'application' && !section.rejected && section.direction === 'recvonly';
}
