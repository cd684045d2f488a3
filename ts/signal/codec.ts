/** Signal messages ⇄ frames: binary protobuf, or JSON for clients that speak it (livekit-facts 1.7). */

import { SignalRequest, type SignalResponse } from '@livekit/protocol';

/** How a client wants to be answered: as it last spoke. */
export type FrameMode = 'binary' | 'json';

/** Text for JSON, bytes for protobuf. */
export type Frame = string | Uint8Array;

/** Throws where the frame is not a `SignalRequest`; unknown fields are ignored. */
export function decodeRequest(frame: Frame): SignalRequest {
  return typeof frame === 'string'
    ? SignalRequest.fromJsonString(frame, { ignoreUnknownFields: true })
    : SignalRequest.fromBinary(frame);
}

export function modeOf(frame: Frame): FrameMode {
  return typeof frame === 'string' ? 'json' : 'binary';
}

export function encodeResponse(message: SignalResponse, mode: FrameMode): Frame {
  return mode === 'json' ? message.toJsonString() : message.toBinary();
}

/**
 * Remembers the frames of messages that go to many clients, for as long as somebody holds the message. A message must
 * not change after it was given.
 */
export class SharedFrames {
  readonly #frames = new WeakMap<SignalResponse, Partial<Record<FrameMode, Frame>>>();

  encode(message: SignalResponse, mode: FrameMode): Frame {
    let known = this.#frames.get(message);
    if (known === undefined) {
      known = {};
      this.#frames.set(message, known);
    }
    known[mode] ??= encodeResponse(message, mode);
    return known[mode];
  }
}
