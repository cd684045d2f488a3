/** Signal messages between clients and this node, under livekit-server's name (livekit-facts 10). Told by connections. */

import { Counter, type Metric } from 'prom-client';

/** `failure` is a message that could not be used, or found its connection closed. */
export type SignalResult = 'success' | 'failure';

export class SignalMetrics {
  // Plain numbers: a large room counts thousands a second.
  readonly #counts = {
    request: { success: 0, failure: 0 },
    response: { success: 0, failure: 0 },
  };
  readonly all: Metric[];

  constructor() {
    const counts = this.#counts;
    const messages = new Counter({
      name: 'livekit_node_messages',
      help: 'Signal messages by direction, request from clients and response to them, and what came of them',
      labelNames: ['type', 'status', 'direction'],
      registers: [],
      collect() {
        this.reset();
        for (const [direction, byStatus] of Object.entries(counts)) {
          for (const [status, count] of Object.entries(byStatus)) {
            this.inc({ type: 'signal', status, direction }, count);
          }
        }
      },
    });
    this.all = [messages];
  }

  received(result: SignalResult): void {
    this.#counts.request[result] += 1;
  }

  sent(result: SignalResult): void {
    this.#counts.response[result] += 1;
  }
}
