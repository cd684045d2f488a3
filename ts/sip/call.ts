/** An inbound call as SIP workers describe it. */

import { isIP } from 'node:net';
import { SIPUri } from '@livekit/protocol';
import { type EvaluateSIPDispatchRulesRequest, type GetSIPTrunkAuthenticationRequest, SIPCall } from '../gen/rpc_pb.ts';
import { invalid } from './invalid.ts';

export interface InboundCall {
  readonly id: string;
  /** Without port; may be empty. */
  readonly sourceIp: string;
  readonly from: SIPUri;
  readonly to: SIPUri;
}

/** Throws `invalid_argument` where the source is no address. */
export function inboundCall(call: SIPCall): InboundCall {
  const { lkCallId: id, sourceIp, from = new SIPUri(), to = new SIPUri() } = call;
  if (sourceIp !== '' && isIP(sourceIp) === 0) {
    throw invalid(`ParseAddr(${JSON.stringify(sourceIp)}): unable to parse IP`);
  }
  return { id, sourceIp, from, to };
}

/** Older SIP services tell of the call in fields of the request itself. */
export function callToAuthenticate(request: GetSIPTrunkAuthenticationRequest): SIPCall {
  if (request.call !== undefined) return request.call;
  return new SIPCall({
    lkCallId: request.sipCallId,
    sourceIp: withoutPort(request.srcAddress),
    from: new SIPUri({ user: request.from, host: request.fromHost }),
    to: new SIPUri({ user: request.to, host: request.toHost }),
  });
}

export function callToDispatch(request: EvaluateSIPDispatchRulesRequest): SIPCall {
  if (request.call !== undefined) return request.call;
  return new SIPCall({
    lkCallId: request.sipCallId,
    sourceIp: withoutPort(request.srcAddress),
    from: new SIPUri({ user: request.callingNumber, host: request.callingHost }),
    to: new SIPUri({ user: request.calledNumber, host: request.calledHost }),
  });
}

function withoutPort(address: string): string {
  const [, bracketed, plain] = /^(?:\[(.*)\]|([^:]*)):\d*$/.exec(address) ?? [];
  return bracketed ?? plain ?? address;
}
