import { SignalResponse } from '@livekit/protocol';
import type { SignalSink } from './contracts.ts';

export type SignalMessage = SignalResponse['message'];

/** Where signals to one participant go: the socket it has at the moment, or nowhere while it has none. */
export class Outbox {
  #sink: SignalSink | undefined;

  constructor(sink: SignalSink) {
    this.#sink = sink;
  }

  /** The participant has a socket. */
  get open(): boolean {
    return this.#sink !== undefined;
  }

  send(message: SignalMessage): void {
    this.#sink?.send(new SignalResponse({ message }));
  }

  /** A message for several participants; encoded once. */
  sendShared(message: SignalResponse): void {
    this.#sink?.sendShared(message);
  }

  isCurrent(sink: SignalSink): boolean {
    return this.#sink === sink;
  }

  /** A resumed session's socket; the former is closed. */
  replace(sink: SignalSink): void {
    const former = this.#sink;
    this.#sink = sink;
    former?.close();
  }

  /** The socket went away by itself. */
  detach(): void {
    this.#sink = undefined;
  }

  /** What was sent so far still goes out. */
  close(): void {
    this.#sink?.close();
    this.#sink = undefined;
  }
}
