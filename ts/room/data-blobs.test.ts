import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestResponse_Reason as Reason, StoreDataBlobRequest } from '@livekit/protocol';
import { DataBlobs, fetchBlob } from './data-blobs.ts';

const LIMITS = { enabled: true, maxKeyLength: 20, maxTotalSize: 60, maxCustomEncodingLength: 4 };

function request(name: string, contents: string): StoreDataBlobRequest {
  const key = { key: { case: 'generic' as const, value: name } };
  return new StoreDataBlobRequest({ blob: { key, contents: new TextEncoder().encode(contents) } });
}

function reason(blobs: DataBlobs, request: StoreDataBlobRequest): Reason | undefined {
  const stored = blobs.store(request);
  return 'reason' in stored ? stored.reason : undefined;
}

test('what was stored is fetched by its key', () => {
  const blobs = new DataBlobs(LIMITS);
  const stored = request('a', 'contents');
  assert.equal(reason(blobs, stored), undefined);
  assert.equal(fetchBlob(blobs, stored.blob?.key), stored.blob);
  const missing = fetchBlob(blobs, request('b', '').blob?.key);
  assert.ok('reason' in missing);
  assert.equal(missing.reason, Reason.NOT_FOUND);
});

test('what is disabled, without key or contents, or too large is refused with the reason', () => {
  const blobs = new DataBlobs(LIMITS);
  assert.equal(reason(new DataBlobs({ ...LIMITS, enabled: false }), request('a', 'b')), Reason.NOT_ALLOWED);
  assert.equal(reason(blobs, new StoreDataBlobRequest()), Reason.INVALID_REQUEST);
  assert.equal(reason(blobs, request('a'.repeat(20), 'b')), Reason.INVALID_REQUEST);
  assert.equal(reason(blobs, request('a', '')), Reason.INVALID_REQUEST);
  assert.equal(reason(blobs, request('a', 'b'.repeat(60))), Reason.LIMIT_EXCEEDED);
  assert.equal(reason(blobs, request('a', 'b'.repeat(40))), undefined);
  assert.equal(reason(blobs, request('b', 'b'.repeat(40))), Reason.LIMIT_EXCEEDED);
});

test('the custom encoding of a schema has a length', () => {
  for (const [value, expected] of [
    ['four', undefined],
    ['', Reason.INVALID_REQUEST],
    ['fiver', Reason.INVALID_REQUEST],
  ] as const) {
    const encoding = { value: { case: 'custom' as const, value } };
    const key = { key: { case: 'schemaId' as const, value: { name: 'n', encoding } } };
    const limits = { ...LIMITS, maxKeyLength: 0, maxTotalSize: 0 };
    const stored = request('a', 'b');
    assert.equal(reason(new DataBlobs(limits), new StoreDataBlobRequest({ blob: { ...stored.blob, key } })), expected);
  }
});
