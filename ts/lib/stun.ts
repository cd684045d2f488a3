/**
 * STUN binding requests and their answers (RFC 8489 sections 5, 14.1, 14.2), as a client without credentials speaks
 * them. Pure: what comes from the network is read here and nowhere else.
 */

import { SocketAddress } from 'node:net';

/** What a server saw. */
export interface BindingResponse {
  transactionId: Buffer;
  /** Our address as it reached the server. */
  mapped: { ip: string; port: number };
}

/**
 * A binding request without attributes.
 *
 * @throws RangeError where the id is not of 12 bytes.
 */
export function encodeBindingRequest(transactionId: Uint8Array): Buffer {
  if (transactionId.length !== TRANSACTION_ID_BYTES) throw new RangeError('a transaction id has 12 bytes');
  const message = Buffer.alloc(HEADER_BYTES);
  message.writeUInt16BE(BINDING_REQUEST, 0);
  message.writeUInt32BE(MAGIC_COOKIE, 4);
  message.set(transactionId, 8);
  return message;
}

/** Reads a binding success response; undefined for anything else, and where it tells no address. */
export function decodeBindingResponse(bytes: Uint8Array): BindingResponse | undefined {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== BINDING_SUCCESS) return undefined;
  if (message.readUInt32BE(4) !== MAGIC_COOKIE) return undefined;
  if (message.readUInt16BE(2) !== message.length - HEADER_BYTES) return undefined;
  const transactionId = Buffer.from(message.subarray(8, HEADER_BYTES));
  let plain: BindingResponse['mapped'] | undefined;
  let at = HEADER_BYTES;
  while (at < message.length) {
    if (message.length - at < ATTRIBUTE_HEADER_BYTES) return undefined;
    const type = message.readUInt16BE(at);
    const start = at + ATTRIBUTE_HEADER_BYTES;
    const end = start + message.readUInt16BE(at + 2);
    if (end > message.length) return undefined;
    const value = message.subarray(start, end);
    if (type === XOR_MAPPED_ADDRESS) {
      const mapped = readAddress(xor(value, message.subarray(4, HEADER_BYTES)));
      return mapped && { transactionId, mapped };
    }
    // Old servers send it alone; some NATs rewrite it, which is why the other one wins (section 14.2).
    if (type === MAPPED_ADDRESS) plain ??= readAddress(value);
    at = start + Math.ceil((end - start) / 4) * 4;
  }
  return plain && { transactionId, mapped: plain };
}

/** The port is combined with the cookie, the address with cookie and transaction id (section 14.2). */
function xor(value: Buffer, key: Buffer): Buffer {
  const result = Buffer.from(value);
  for (let index = 2; index < result.length; index++) {
    const mask = index < 4 ? key[index - 2] : key[index - 4];
    result[index] = (result[index] ?? 0) ^ (mask ?? 0);
  }
  return result;
}

function readAddress(value: Buffer): BindingResponse['mapped'] | undefined {
  if (value.length < 4) return undefined;
  const port = value.readUInt16BE(2);
  const address = value.subarray(4);
  if (value[1] === FAMILY_V4 && address.length === 4) return { ip: address.join('.'), port };
  if (value[1] !== FAMILY_V6 || address.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16));
  return { ip: new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address, port };
}

const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const MAGIC_COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
const TRANSACTION_ID_BYTES = 12;
const ATTRIBUTE_HEADER_BYTES = 4;
const MAPPED_ADDRESS = 0x0001;
const XOR_MAPPED_ADDRESS = 0x0020;
const FAMILY_V4 = 1;
const FAMILY_V6 = 2;
