import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Msg, Request, Response, Stream } from '../gen/psrpc_pb.ts';
import { fromWireTime, seal, unseal, wireTime } from './envelope.ts';
import { mutated, sequence } from './testing/mutations.ts';

const request = new Request({
  requestId: 'REQ_a',
  clientId: 'CLI_a',
  sentAt: wireTime(1_700_000_000_000),
  expiry: wireTime(1_700_000_003_000),
  metadata: { key: 'value' },
  rawRequest: Uint8Array.of(1, 2, 3),
});

test('a message is read as it was written', () => {
  const read = unseal(seal(request), Request);
  assert.deepEqual(read, request);
  assert.equal(fromWireTime(read?.expiry ?? 0n), 1_700_000_003_000);
});

test('a message is the same whatever holds its bytes', () => {
  const read = unseal(Buffer.concat([Buffer.of(0), seal(request)]).subarray(1), Request);
  assert.equal(read?.rawRequest.constructor, Uint8Array);
  assert.deepEqual(read, request);
});

test('the name of a message is what stands behind the last slash', () => {
  const sealed = Msg.fromBinary(seal(request));
  assert.equal(sealed.typeUrl, 'type.googleapis.com/internal.Request');
  sealed.typeUrl = 'internal.Request';
  assert.ok(unseal(sealed.toBinary(), Request) !== undefined);
});

test('a message of another type is none', () => {
  assert.equal(unseal(seal(request), Response), undefined);
});

test('bytes that were changed, cut or made up never throw', () => {
  const random = sequence(7);
  const stream = new Stream({
    streamId: 'STR_a',
    body: { case: 'open', value: { nodeId: 'n', metadata: { a: 'b' } } },
  });
  const seeds = [seal(request), seal(stream), seal(new Response({ errorDetails: [{ typeUrl: 'a/b' }] }))];
  let understood = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const cut = mutated(seeds[round % seeds.length] ?? seal(request), random);
    for (const type of [Request, Response, Stream]) {
      const read = unseal(cut, type as typeof Request);
      if (read !== undefined) understood += 1;
    }
    const noise = Uint8Array.from({ length: random() % 64 }, () => random() % 256);
    unseal(noise, Request);
  }
  assert.ok(understood > 0);
});
