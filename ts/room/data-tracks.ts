/** The data tracks that one participant publishes, by its handles (livekit-facts 3.13). */

import { DataTrackInfo, type PublishDataTrackRequest, RequestResponse_Reason as Reason } from '@livekit/protocol';
import { newGuid } from '../lib/guid.ts';
import type { Refusal } from './data-blobs.ts';

export interface DataTrackLimits {
  /** Off, nothing is published. */
  enabled: boolean;
  /** Bytes; 0 is unlimited. */
  maxCustomEncodingLength: number;
}

export class DataTracks {
  readonly #limits: DataTrackLimits;
  readonly #byHandle = new Map<number, DataTrackInfo>();

  constructor(limits: DataTrackLimits) {
    this.#limits = limits;
  }

  all(): DataTrackInfo[] {
    return [...this.#byHandle.values()];
  }

  knows(sid: string): boolean {
    return this.all().some((track) => track.sid === sid);
  }

  /** `allowed`: the participant may publish data. */
  publish(request: PublishDataTrackRequest, allowed: boolean): DataTrackInfo | Refusal {
    const refusal = this.#refusal(request, allowed);
    if (refusal !== undefined) return refusal;
    const { pubHandle, name, encryption, frameEncoding, schema } = request;
    const info = new DataTrackInfo({ pubHandle, name, encryption, sid: newGuid('DTR_') });
    if (frameEncoding !== undefined) info.frameEncoding = frameEncoding;
    if (schema !== undefined) info.schema = schema;
    this.#byHandle.set(pubHandle, info);
    return info;
  }

  unpublish(pubHandle: number): DataTrackInfo | undefined {
    const info = this.#byHandle.get(pubHandle);
    this.#byHandle.delete(pubHandle);
    return info;
  }

  #refusal(request: PublishDataTrackRequest, allowed: boolean): Refusal | undefined {
    const { pubHandle, name, frameEncoding, schema } = request;
    if (!allowed || !this.#limits.enabled) {
      return { reason: Reason.NOT_ALLOWED, message: 'data tracks may not be published' };
    }
    if (pubHandle === 0 || pubHandle > MAX_HANDLE) {
      return { reason: Reason.INVALID_HANDLE, message: `the handle must be between 1 and ${MAX_HANDLE}` };
    }
    const length = Buffer.byteLength(name);
    if (length === 0 || length > MAX_NAME_LENGTH) {
      return { reason: Reason.INVALID_NAME, message: `the name must have between 1 and ${MAX_NAME_LENGTH} bytes` };
    }
    if (!this.#validEncoding(frameEncoding?.value) || !this.#validEncoding(schema?.encoding?.value)) {
      return { reason: Reason.INVALID_REQUEST, message: 'the custom encoding is empty or too long' };
    }
    if (this.#byHandle.has(pubHandle)) {
      return { reason: Reason.DUPLICATE_HANDLE, message: 'another data track has the handle' };
    }
    if (this.all().some((track) => track.name === name)) {
      return { reason: Reason.DUPLICATE_NAME, message: 'another data track has the name' };
    }
    return undefined;
  }

  #validEncoding(encoding: { case?: string | undefined; value?: unknown } | undefined): boolean {
    if (encoding?.case !== 'custom') return true;
    const length = Buffer.byteLength(String(encoding.value));
    const limit = this.#limits.maxCustomEncodingLength;
    return length > 0 && (limit === 0 || length <= limit);
  }
}

/** Two bytes of each packet. */
const MAX_HANDLE = 65_535;

/** As in livekit-server. */
const MAX_NAME_LENGTH = 256;
