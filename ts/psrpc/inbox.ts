import type { Message, MessageType } from '@bufbuild/protobuf';
import { ClaimRequest, Response, Stream as WireStream } from '../gen/psrpc_pb.ts';
import type { Bus } from './bus.ts';
import { clientChannel } from './channel.ts';
import { unseal } from './envelope.ts';
import type { RpcObserver } from './observer.ts';
import type { WireClock } from './wire-clock.ts';

type What = 'RES' | 'CLAIM' | 'STR';

/** Who waits for servers' words on one request. */
export interface Waiting {
  handleResponse(response: Response): void;
  handleBid(bid: ClaimRequest): void;
}

export interface InboxParts {
  readonly bus: Bus;
  readonly service: string;
  readonly clientId: string;
  readonly clock: WireClock;
  readonly observe: RpcObserver;
}

/** What comes back to a client from the servers of one service. Subscribed when it is first needed. */
export class Inbox {
  readonly calls = new Map<string, Waiting>();
  readonly streams = new Map<string, { handle(message: WireStream): void; abandon(): void }>();
  readonly #parts: InboxParts;
  /** Subscriptions, by what is heard. */
  readonly #heard = new Map<What, Promise<() => Promise<void>>>();

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** Resolves when responses and bids arrive. */
  async hearAnswers(): Promise<void> {
    await Promise.all([
      this.#hear('RES', Response, (response) => this.#callOf(response.requestId)?.handleResponse(response)),
      this.#hear('CLAIM', ClaimRequest, (bid) => this.#callOf(bid.requestId)?.handleBid(bid)),
    ]);
  }

  /** Resolves when what servers send on streams arrives. */
  async hearStreams(): Promise<void> {
    await this.#hear('STR', WireStream, (message) => this.#handleStream(message));
  }

  async close(): Promise<void> {
    for (const stream of [...this.streams.values()]) stream.abandon();
    const ends = await Promise.allSettled(this.#heard.values());
    await Promise.allSettled(ends.map((end) => (end.status === 'fulfilled' ? end.value() : undefined)));
  }

  async #hear<T extends Message<T>>(what: What, type: MessageType<T>, onMessage: (message: T) => void): Promise<void> {
    const { bus, service, clientId, observe } = this.#parts;
    const known = this.#heard.get(what);
    const subscribing =
      known ??
      bus.subscribe(clientChannel(service, clientId, what), (payload) => {
        const message = unseal(payload, type);
        if (message === undefined) observe.dropped(service, 'junk');
        else onMessage(message);
      });
    this.#heard.set(what, subscribing);
    try {
      await subscribing;
    } catch (error) {
      // The next who needs it tries again.
      if (this.#heard.get(what) === subscribing) this.#heard.delete(what);
      throw error;
    }
  }

  #callOf(requestId: string): Waiting | undefined {
    const call = this.calls.get(requestId);
    if (call === undefined) this.#parts.observe.dropped(this.#parts.service, 'late');
    return call;
  }

  #handleStream(message: WireStream): void {
    const { clock, observe, service } = this.#parts;
    const stream = this.streams.get(message.streamId);
    if (stream === undefined || clock.lateness(message) >= 0) observe.dropped(service, 'late');
    else stream.handle(message);
  }
}
