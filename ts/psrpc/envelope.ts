/** What every publication is wrapped in: the name of a message, and the message (livekit-facts 7.1). */

import type { Message, MessageType } from '@bufbuild/protobuf';
import { Msg } from '../gen/psrpc_pb.ts';

export function seal<T extends Message<T>>(message: T): Uint8Array {
  return new Msg({ typeUrl: TYPE_PREFIX + message.getType().typeName, value: bytesOf(message) }).toBinary();
}

/** Serialised, typed as generated messages want it. */
export function bytesOf<T extends Message<T>>(message: T): Uint8Array<ArrayBuffer> {
  return message.toBinary() as Uint8Array<ArrayBuffer>;
}

/** `undefined` for anything but a whole message of this type. */
export function unseal<T extends Message<T>>(payload: Uint8Array, type: MessageType<T>): T | undefined {
  const outer = parse(payload, Msg);
  if (outer === undefined) return undefined;
  const name = outer.typeUrl.slice(outer.typeUrl.lastIndexOf('/') + 1);
  return name === type.typeName ? parse(outer.value, type) : undefined;
}

/** `undefined` where these are not the bytes of such a message. */
export function parse<T extends Message<T>>(bytes: Uint8Array, type: MessageType<T>): T | undefined {
  try {
    // A Buffer would hand out Buffers for fields, which slice and compare in other ways.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return type.fromBinary(plain, { readUnknownFields: false });
  } catch {
    return undefined;
  }
}

/** Nanoseconds since 1970, of milliseconds. */
export function wireTime(ms: number): bigint {
  return BigInt(Math.round(ms)) * NANOSECONDS_PER_MS;
}

/** Milliseconds since 1970, of nanoseconds. */
export function fromWireTime(ns: bigint): number {
  return Number(ns / NANOSECONDS_PER_MS);
}

const TYPE_PREFIX = 'type.googleapis.com/';
const NANOSECONDS_PER_MS = 1_000_000n;
