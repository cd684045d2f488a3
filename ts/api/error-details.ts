/** What an error carries beside its text, for the `meta` of Twirp (livekit-facts 5.1). */

import { Any, BinaryWriter, WireType } from '@bufbuild/protobuf';
import { SIPStatus, SIPStatusCode } from '@livekit/protocol';
import type { RpcCode, RpcError } from '../lib/rpc-error.ts';

/** `error_details` is a google.rpc.Status in base64; what a SIP call ended with has fields of its own. */
export function errorMeta({ code, message, meta, details }: RpcError): Readonly<Record<string, string>> | undefined {
  if (details === undefined || details.length === 0) return meta;
  const status = new BinaryWriter().tag(1, WireType.Varint).int32(GRPC_CODES[code] ?? UNKNOWN);
  status.tag(2, WireType.LengthDelimited).string(message);
  for (const detail of details) status.tag(3, WireType.LengthDelimited).bytes(new Any(detail).toBinary());
  const sip = details.find(({ typeUrl }) => typeUrl.endsWith(`/${SIPStatus.typeName}`));
  return {
    ...meta,
    ...(sip === undefined ? {} : sipMeta(SIPStatus.fromBinary(sip.value))),
    error_details: Buffer.from(status.finish()).toString('base64'),
  };
}

function sipMeta({ code, status }: SIPStatus): Record<string, string> {
  return { sip_status_code: String(code), sip_status: status || (SIPStatusCode[code] ?? String(code)) };
}

const UNKNOWN = 2;
const GRPC_CODES: Partial<Record<RpcCode, number>> = {
  canceled: 1,
  unknown: UNKNOWN,
  invalid_argument: 3,
  malformed_request: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
};
