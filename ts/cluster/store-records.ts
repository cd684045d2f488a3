/** Records of hashes, decoded without holding up the event loop. */

import type { Message, MessageType } from '@bufbuild/protobuf';
import { RpcError } from '../lib/rpc-error.ts';
import type { Keyspace } from './keyspace.ts';

/** Every record of a hash, by field. */
export async function decodeAll<M extends Message<M>>(
  keyspace: Keyspace,
  key: string,
  type: MessageType<M>,
): Promise<Map<string, M>> {
  const decoded = new Map<string, M>();
  const slice = new Slice();
  for await (const page of keyspace.hashPages(key)) {
    for (const [field, value] of page) {
      decoded.set(field, decode(type, value, key));
      await slice.end();
    }
  }
  return decoded;
}

/** Those of these fields that exist, each once, in this order. */
export async function decodeSome<M extends Message<M>>(
  keyspace: Keyspace,
  key: string,
  fields: readonly string[],
  type: MessageType<M>,
): Promise<Map<string, M>> {
  const wanted = [...new Set(fields)];
  const decoded = new Map<string, M>();
  const slice = new Slice();
  for (let start = 0; start < wanted.length; start += FIELDS_AT_ONCE) {
    const some = wanted.slice(start, start + FIELDS_AT_ONCE);
    const values = await keyspace.hashGetMany(key, some);
    for (const [index, field] of some.entries()) {
      const value = values[index];
      if (value !== undefined) decoded.set(field, decode(type, value, key));
      await slice.end();
    }
  }
  return decoded;
}

/** Rejects with `internal` where something else than such a record is stored. */
export function decode<M extends Message<M>>(type: MessageType<M>, value: Uint8Array, key: string): M {
  try {
    return type.fromBinary(value);
  } catch (cause) {
    throw new RpcError('internal', `a record of ${key} is no ${type.typeName}`, undefined, { cause });
  }
}

/** How long work may go on before others have their turn. */
class Slice {
  #startedAt = performance.now();

  /** Waits for a turn of the event loop when the slice is used up. */
  async end(): Promise<void> {
    if (performance.now() - this.#startedAt < SLICE_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#startedAt = performance.now();
  }
}

const SLICE_MS = 5;
/** HMGET holds Redis up for about 0.1 µs a field. */
const FIELDS_AT_ONCE = 1000;
