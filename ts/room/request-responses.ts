import { RequestResponse, RequestResponse_Reason } from '@livekit/protocol';
import { understandsRequestResponse } from './client-rules.ts';
import type { Outbox } from './outbox.ts';
import type { Participant } from './participant.ts';

export type EchoedRequest = RequestResponse['request'];

/** Answers to requests that fail, or that deserve a word; clients that don't know the signal never get it. */
export class RequestResponses {
  readonly #participant: Participant;
  readonly #outbox: Outbox;

  constructor(participant: Participant, outbox: Outbox) {
    this.#participant = participant;
    this.#outbox = outbox;
  }

  send(reason: RequestResponse_Reason, request: EchoedRequest, message = '', requestId = 0): void {
    const { client, gates } = this.#participant;
    if (!understandsRequestResponse(client)) return;
    if (reason === RequestResponse_Reason.OK && !gates.okResponses) return;
    const value = new RequestResponse({ reason, request, message, requestId });
    this.#outbox.send({ case: 'requestResponse', value });
  }
}
