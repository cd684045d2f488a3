/** What a participant stores for others to fetch, by key (livekit-facts 3.13). */

import {
  type DataBlob,
  type DataBlobKey,
  RequestResponse_Reason as Reason,
  type StoreDataBlobRequest,
} from '@livekit/protocol';

export interface DataBlobLimits {
  /** Off, nothing is stored. */
  enabled: boolean;
  /** Bytes; 0 is unlimited, here and below. */
  maxKeyLength: number;
  /** Of all keys and contents of a participant. */
  maxTotalSize: number;
  maxCustomEncodingLength: number;
}

export interface StoredBlob {
  key: DataBlobKey;
}

export interface Refusal {
  reason: Reason;
  message: string;
}

export class DataBlobs {
  readonly #limits: DataBlobLimits;
  readonly #blobs = new Map<string, DataBlob>();

  constructor(limits: DataBlobLimits) {
    this.#limits = limits;
  }

  /** Under its key, in place of one that was there. */
  store({ blob }: StoreDataBlobRequest): StoredBlob | Refusal {
    if (!this.#limits.enabled) return { reason: Reason.NOT_ALLOWED, message: 'data blobs are disabled' };
    const key = keyText(blob?.key);
    if (blob?.key === undefined || key === '' || exceeds(Buffer.byteLength(key), this.#limits.maxKeyLength)) {
      return { reason: Reason.INVALID_REQUEST, message: 'the key is missing or too long' };
    }
    if (!this.#validEncoding(blob.key)) {
      return { reason: Reason.INVALID_REQUEST, message: 'the custom encoding is empty or too long' };
    }
    if (blob.contents.length === 0) return { reason: Reason.INVALID_REQUEST, message: 'there are no contents' };
    if (exceeds(this.#size + sizeOf(key, blob), this.#limits.maxTotalSize)) {
      return { reason: Reason.LIMIT_EXCEEDED, message: 'data blobs exceed the size limit' };
    }
    this.#blobs.set(key, blob);
    return { key: blob.key };
  }

  get(key: DataBlobKey): DataBlob | undefined {
    return this.#blobs.get(keyText(key));
  }

  /** One that is about to be replaced counts too, as in livekit-server. */
  get #size(): number {
    let size = 0;
    for (const [key, blob] of this.#blobs) size += sizeOf(key, blob);
    return size;
  }

  #validEncoding({ key }: DataBlobKey): boolean {
    const encoding = key.case === 'schemaId' ? key.value.encoding?.value : undefined;
    if (encoding?.case !== 'custom') return true;
    const length = Buffer.byteLength(encoding.value);
    return length > 0 && !exceeds(length, this.#limits.maxCustomEncodingLength);
  }
}

/** What somebody who may have stored it has under a key. */
export function fetchBlob(owner: DataBlobs | undefined, key: DataBlobKey | undefined): DataBlob | Refusal {
  if (key === undefined) return { reason: Reason.INVALID_REQUEST, message: 'the key is missing' };
  if (owner === undefined) return { reason: Reason.NOT_FOUND, message: 'participant not found' };
  return owner.get(key) ?? { reason: Reason.NOT_FOUND, message: 'data blob not found' };
}

/** What tells keys apart. livekit-server counts the bytes of its own text form, which is within a few bytes of this one. */
function keyText(key: DataBlobKey | undefined): string {
  if (key?.key.case === undefined) return '';
  return key.key.case === 'generic' ? `generic:${JSON.stringify(key.key.value)}` : `schema_id:${key.toJsonString()}`;
}

function sizeOf(key: string, { contents }: DataBlob): number {
  return Buffer.byteLength(key) + contents.length;
}

function exceeds(size: number, limit: number): boolean {
  return limit > 0 && size > limit;
}
