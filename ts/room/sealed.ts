/** Messages whose bytes are kept or put together: what many clients are told is encoded once. */

import type { BinaryWriteOptions, PartialMessage } from '@bufbuild/protobuf';
import { JoinResponse, ParticipantInfo } from '@livekit/protocol';

/** A participant's info that never changes: one encoding serves updates, join responses and the store. */
export class SealedInfo extends ParticipantInfo {
  #bytes: Uint8Array | undefined;

  override toBinary(options?: Partial<BinaryWriteOptions>): Uint8Array {
    this.#bytes ??= super.toBinary(options);
    return this.#bytes;
  }
}

/**
 * A join response with everybody else in the room as bytes (`Roster.encode`). Their fields stay empty: only the binary
 * encoding, which every session begins with, has them.
 */
export class SealedJoin extends JoinResponse {
  readonly #others: readonly Uint8Array[];

  constructor(data: PartialMessage<JoinResponse>, others: readonly Uint8Array[]) {
    super(data);
    this.#others = others;
  }

  /** Fields may come in any order, and repeated ones may be apart (protobuf encoding, "Message Structure"). */
  override toBinary(options?: Partial<BinaryWriteOptions>): Uint8Array {
    return Buffer.concat([super.toBinary(options), ...this.#others]);
  }
}
