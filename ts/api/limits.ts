/** Sizes that requests may have; the texts are livekit-server's, its limits count bytes. */

import { RpcError } from '../lib/rpc-error.ts';

/** Bytes; 0 for no limit. */
export interface ApiLimits {
  readonly maxRoomNameLength: number;
  readonly maxMetadataSize: number;
  readonly maxAttributesSize: number;
  readonly maxParticipantNameLength: number;
}

export function checkRoomName(name: string, { maxRoomNameLength }: ApiLimits): void {
  if (!fits(Buffer.byteLength(name), maxRoomNameLength)) {
    throw new RpcError('invalid_argument', `room name length exceeds limits: max length ${maxRoomNameLength}`);
  }
}

export function checkParticipantName(name: string, { maxParticipantNameLength }: ApiLimits): void {
  if (!fits(Buffer.byteLength(name), maxParticipantNameLength)) {
    throw invalidArgument('name length exceeds limits', String(maxParticipantNameLength));
  }
}

export function checkMetadata(metadata: string, { maxMetadataSize }: ApiLimits): void {
  if (!fits(Buffer.byteLength(metadata), maxMetadataSize)) {
    throw invalidArgument('metadata size exceeds limits', String(maxMetadataSize));
  }
}

export function checkAttributes(attributes: Readonly<Record<string, string>>, { maxAttributesSize }: ApiLimits): void {
  let size = 0;
  for (const [key, value] of Object.entries(attributes)) size += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (!fits(size, maxAttributesSize)) throw invalidArgument('attribute size exceeds limits', String(maxAttributesSize));
}

/** Twirp's form for an argument that is wrong: named in the text and in the details. */
export function invalidArgument(argument: string, problem: string): RpcError {
  return new RpcError('invalid_argument', `${argument} ${problem}`, { argument });
}

function fits(size: number, limit: number): boolean {
  return limit === 0 || size <= limit;
}
