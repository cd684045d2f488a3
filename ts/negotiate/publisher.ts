/** The client's own peer connection in dual mode: it offers, we answer (livekit-facts 3.2). */

import type { MediaEngine } from '../media/types.ts';
import { ReceiveSections } from './receive-sections.ts';
import { type LocalSection, parseDescription } from './sdp.ts';
import { Transport } from './transport.ts';
import type { NegotiationHost, NegotiationOptions } from './types.ts';

export class Publisher {
  readonly transport: Transport;
  readonly #host: NegotiationHost;
  readonly #receive: ReceiveSections;

  constructor(engine: MediaEngine, host: NegotiationHost, options: NegotiationOptions, primary: boolean) {
    this.#host = host;
    this.transport = new Transport(engine, host, options, 'publisher', primary);
    this.#receive = new ReceiveSections(engine, host, options, this.transport);
  }

  handleOffer(sdp: string, id: number): void {
    const remote = parseDescription(sdp);
    if (this.transport.isRestart(remote)) this.transport.restartIce();
    this.transport.describe(remote);
    const sections = remote.sections.map((section): LocalSection => {
      if (section.kind === 'application') return section;
      if (section.direction === 'sendonly' || section.direction === 'sendrecv') return this.#receive.answer(section);
      this.#receive.stop(section.mid);
      return { ...section, direction: 'inactive', msid: undefined, rids: [], ssrcs: [], cname: '' };
    });
    const answer = this.transport.write(sections, this.transport.dtlsRole);
    this.#host.sendAnswer(answer, id, {});
    this.transport.trickle(sections);
    this.#receive.apply(false);
  }

  rematch(): void {
    this.#receive.apply(true);
  }

  close(): void {
    this.#receive.close();
    this.transport.close();
  }
}
