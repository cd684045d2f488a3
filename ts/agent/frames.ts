/** Messages of workers ⇄ frames: binary protobuf, or JSON for workers that speak it (livekit-facts 11.2). */

import { type ServerMessage, WorkerMessage } from '@livekit/protocol';

/** Text for JSON, bytes for protobuf. */
export type Frame = string | Uint8Array;

/** Throws where the frame is not a `WorkerMessage`; unknown fields are ignored. */
export function decodeWorkerMessage(frame: Frame): WorkerMessage {
  return typeof frame === 'string'
    ? WorkerMessage.fromJsonString(frame, { ignoreUnknownFields: true })
    : WorkerMessage.fromBinary(frame);
}

export function encodeServerMessage(message: ServerMessage, json: boolean): Frame {
  return json ? message.toJsonString() : message.toBinary();
}
