/** Two peer connections: the client's for what it sends, ours for what it receives (livekit-facts 3.2). */

import { SignalTarget } from '@livekit/protocol';
import type { PeerId, WorkerId } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import { Publisher } from './publisher.ts';
import { Subscriber } from './subscriber.ts';
import type { Negotiation, NegotiationHost, NegotiationOptions, Subscription, SubscriptionRequest } from './types.ts';

export class DualPc implements Negotiation {
  readonly worker: WorkerId;
  readonly upPeers: PeerId[];
  readonly downPeer: PeerId;
  readonly subscriberPrimary: boolean;
  readonly ready: Promise<void>;
  readonly #publisher: Publisher;
  readonly #subscriber: Subscriber;

  constructor(engine: MediaEngine, host: NegotiationHost, options: NegotiationOptions) {
    this.worker = options.worker;
    this.subscriberPrimary = options.subscriberPrimary;
    this.#publisher = new Publisher(engine, host, options, !options.subscriberPrimary);
    this.#subscriber = new Subscriber(engine, host, options, options.subscriberPrimary);
    const publisher = this.#publisher.transport;
    const subscriber = this.#subscriber.transport;
    this.upPeers = [publisher.peer, subscriber.peer];
    this.downPeer = options.subscriberPrimary ? subscriber.peer : publisher.peer;
    this.ready = Promise.all([publisher.ready, subscriber.ready]).then(() => {});
    this.ready.catch(() => {});
  }

  start(): void {
    this.#subscriber.start();
  }

  async handleOffer(sdp: string, id: number): Promise<void> {
    await this.#publisher.transport.ready;
    this.#publisher.handleOffer(sdp, id);
  }

  async handleAnswer(sdp: string, id: number): Promise<void> {
    this.#subscriber.handleAnswer(sdp, id);
  }

  handleTrickle(candidateInit: string, target: SignalTarget): void {
    const side = target === SignalTarget.SUBSCRIBER ? this.#subscriber : this.#publisher;
    side.transport.addCandidateInit(candidateInit);
  }

  subscribe(request: SubscriptionRequest): Subscription {
    return this.#subscriber.subscribe(request);
  }

  rematch(): void {
    this.#publisher.rematch();
  }

  restartIce(): boolean {
    this.#subscriber.restartIce();
    return true;
  }

  close(): void {
    this.#publisher.close();
    this.#subscriber.close();
  }
}
