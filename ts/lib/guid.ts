/** Random ids in the form clients and tools know: a prefix that names the kind, then 12 unambiguous characters. */

import type { ConnectionId, NodeId, ParticipantSid, RoomSid, TrackSid } from './ids.ts';
import { randomChunk } from './random.ts';

export type RandomSource = (size: number) => Uint8Array;

/** A fresh id with this prefix; about 70 bits of randomness. */
export function newGuid(prefix: string, random: RandomSource = randomChunk): string {
  let id = prefix;
  while (id.length < prefix.length + GUID_LENGTH) {
    for (const byte of random(GUID_LENGTH)) {
      // The 28 values above the last multiple of 57 would favour the first letters.
      if (byte >= FAIR_LIMIT) continue;
      id += BASE57[byte % BASE57.length];
      if (id.length === prefix.length + GUID_LENGTH) break;
    }
  }
  return id;
}

export const newRoomSid = (): RoomSid => newGuid('RM_') as RoomSid;
export const newParticipantSid = (): ParticipantSid => newGuid('PA_') as ParticipantSid;
export const newNodeId = (): NodeId => newGuid('ND_') as NodeId;
export const newConnectionId = (): ConnectionId => newGuid('CO_') as ConnectionId;

/** `marks` are the letters of kind and source that follow `TR_`, for example `AM` for a microphone. */
export const newTrackSid = (marks: string): TrackSid => newGuid(`TR_${marks}`) as TrackSid;

/** A secret of 32 random bytes in base 62, like the ones livekit-server prints and stores. */
export function newSecret(random: RandomSource = randomChunk): string {
  let value = 0n;
  for (const byte of random(SECRET_BYTES)) value = (value << 8n) | BigInt(byte);
  let text = '';
  while (value > 0n) {
    text = BASE62[Number(value % 62n)] + text;
    value /= 62n;
  }
  return text;
}

const GUID_LENGTH = 12;
const SECRET_BYTES = 32;
const BASE57 = '23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const FAIR_LIMIT = 256 - (256 % BASE57.length);
