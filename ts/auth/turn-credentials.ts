/**
 * Credentials for the TURN server inside (livekit-facts 12.1): the name says who may relay until when, the password
 * proves that we said so. The workers derive the password again; nothing is stored.
 */

import { createHash } from 'node:crypto';

export interface TurnCredentials {
  username: string;
  credential: string;
}

export interface TurnSigner {
  apiKey: string;
  apiSecret: string;
}

/** `expiresAt` in seconds since the epoch. */
export function turnCredentials(signer: TurnSigner, participantSid: string, expiresAt: number): TurnCredentials {
  const claim = `${participantSid}|${expiresAt}`;
  return {
    username: base62(Buffer.from(`${signer.apiKey}|${claim}`)),
    credential: base62(createHash('sha256').update(`${signer.apiSecret}|${claim}`).digest()),
  };
}

/**
 * Bits from the end of the bytes on, six a character; the four highest values share two characters, which stand for
 * five bits then. Not the base 62 of numbers: it is what livekit-server's clients and tools decode.
 */
export function base62(bytes: Uint8Array): string {
  let text = '';
  for (let end = bytes.length * 8; end > 0; ) {
    const start = Math.max(0, end - 6);
    const value = bits(bytes, start, end);
    if ((value & SHARED) !== SHARED) {
      text += DIGITS.charAt(value);
      end = start;
    } else {
      text += DIGITS.charAt(value & 0x1f);
      // The sixth bit goes with the next character; before the first bit of all there is none to give back.
      end = start > 0 || value > 0x1f ? start + 1 : start;
    }
  }
  return text;
}

/** Bits `start` to `end`, counted from the highest of the first byte. */
function bits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = (value << 1) | (((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
  return value;
}

const SHARED = 0b01_1110;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
