/** Calls of `livekit.SIP`: out, and transferred (livekit-facts 5.6). */

import { Duration, Empty } from '@bufbuild/protobuf';
import {
  type CreateSIPParticipantRequest,
  type ParticipantInfo,
  SIPParticipantInfo,
  type TransferSIPParticipantRequest,
} from '@livekit/protocol';
import { InternalTransferSIPParticipantRequest } from '../gen/rpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import type { RpcClient } from '../psrpc/client.ts';
import { SIPInternal } from '../psrpc/services.ts';
import { ATTRIBUTES } from '../sip/attributes.ts';
import { checkHeaders } from '../sip/headers.ts';
import { invalid } from '../sip/invalid.ts';
import { checkOutboundCall, outboundCall } from '../sip/outbound-call.ts';
import type { SipRecords } from './sip-service.ts';
import { noTrunk } from './sip-trunks.ts';

export interface SipCallsParts {
  readonly records: SipRecords;
  readonly rpc: RpcClient;
  /** Rejects with `not_found` where there is no such participant. */
  readonly participant: (room: string, identity: string) => Promise<ParticipantInfo>;
}

export class SipCalls {
  readonly #parts: SipCallsParts;

  constructor(parts: SipCallsParts) {
    this.#parts = parts;
  }

  /** `timeoutMs`: what the caller waits at most, where it says so. */
  async create(request: CreateSIPParticipantRequest, timeoutMs: number | undefined): Promise<SIPParticipantInfo> {
    checkOutboundCall(request);
    const { records, rpc } = this.#parts;
    const { sipTrunkId } = request;
    const trunk = sipTrunkId === '' ? undefined : ((await records.loadOutboundTrunk(sipTrunkId)) ?? noTrunk());
    const callId = newGuid('SCL_');
    const call = outboundCall({ callId, request, trunk, random: Math.random });
    const usual = request.waitUntilAnswered ? ANSWER_TIMEOUT_MS : DIAL_TIMEOUT_MS;
    // Never twice: a second attempt would ring again.
    const options = { timeoutMs: timeoutMs ?? usual, maxAttempts: 1 };
    const { participantId, participantIdentity } = await rpc.call(SIPInternal.CreateSIPParticipant, '', call, options);
    return new SIPParticipantInfo({
      participantId,
      participantIdentity,
      roomName: request.roomName,
      sipCallId: callId,
    });
  }

  /** Workers of livekit's 1.13 say no more than that it is done. */
  async transfer(request: TransferSIPParticipantRequest, timeoutMs: number | undefined): Promise<Empty> {
    const transferTo = transferTarget(request.transferTo);
    checkHeaders(request.headers);
    const { rpc, participant } = this.#parts;
    const { attributes } = await participant(request.roomName, request.participantIdentity);
    const sipCallId = attributes[ATTRIBUTES.callId];
    if (sipCallId === undefined) throw invalid('no SIP session associated with participant');
    const ringing = request.ringingTimeout === undefined ? TRANSFER_TIMEOUT_MS : milliseconds(request.ringingTimeout);
    const limit = Math.min(ringing, timeoutMs ?? ringing);
    const transfer = new InternalTransferSIPParticipantRequest({
      sipCallId,
      transferTo,
      playDialtone: request.playDialtone,
      headers: request.headers,
      // So that the worker does not go on when nobody waits for it any more.
      ringingTimeout: new Duration({ seconds: BigInt(Math.floor(limit / 1000)), nanos: (limit % 1000) * 1_000_000 }),
    });
    await rpc.call(SIPInternal.TransferSIPParticipant, sipCallId, transfer, { timeoutMs: limit, maxAttempts: 1 });
    return new Empty();
  }
}

/** In the form that most telephone systems understand (RFC 3515 section 2.1). */
function transferTarget(transferTo: string): string {
  if (transferTo === '') throw invalid('missing transfer to');
  const [, inner = transferTo] = /^<(.*)>$/s.exec(transferTo) ?? [];
  if (/^sips?:/.test(inner)) return `<${inner}>`;
  if (inner.startsWith('tel:')) return inner;
  throw invalid('transfer_to must be a valid SIP(s) or TEL URI (sip:, sips: or tel:)');
}

function milliseconds({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + Math.floor(nanos / 1_000_000);
}

const DIAL_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 80_000;
const TRANSFER_TIMEOUT_MS = 30_000;
