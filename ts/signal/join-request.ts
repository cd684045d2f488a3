/** The `join_request` parameter: base64 of a wrapper of a message that may be compressed (livekit-facts 1.4). */

import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { JoinRequest, WrappedJoinRequest, WrappedJoinRequest_Compression } from '@livekit/protocol';
import { Refusal } from './refusal.ts';

/** Rejects with `Refusal`; never inflates more than `MAX_BYTES`. */
export async function readJoinRequest(encoded: string): Promise<JoinRequest> {
  if (!PADDED_BASE64URL.test(encoded)) throw new Refusal(400, 'cannot base64 decode wrapped join request');
  const wrapped = parse(
    () => WrappedJoinRequest.fromBinary(Buffer.from(encoded, 'base64url')),
    'cannot unmarshal wrapped join request',
  );
  const bytes = await unpacked(wrapped);
  return parse(() => JoinRequest.fromBinary(bytes), 'cannot unmarshal join request');
}

async function unpacked({ compression, joinRequest }: WrappedJoinRequest): Promise<Uint8Array> {
  if (compression !== WrappedJoinRequest_Compression.GZIP) {
    if (joinRequest.length > MAX_BYTES) throw TOO_LARGE;
    return joinRequest;
  }
  try {
    return await inflate(joinRequest, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    if (error instanceof RangeError) throw TOO_LARGE;
    throw new Refusal(400, 'cannot read decompressed join request');
  }
}

function parse<T>(read: () => T, failure: string): T {
  try {
    return read();
  } catch {
    throw new Refusal(400, failure);
  }
}

const inflate = promisify(gunzip);
const MAX_BYTES = 1_048_576;
const TOO_LARGE = new Refusal(400, 'join request too large');
/** The URL alphabet with padding, as clients write it: what base64 itself would let pass is refused. */
export const PADDED_BASE64URL = /^(?:[\w-]{4})*(?:[\w-]{2}==|[\w-]{3}=)?$/;
