import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBindingResponse, encodeBindingRequest } from './stun.ts';

/** RFC 5769 sections 2.2 and 2.3: the sample responses. */
const SAMPLE_V4 = Buffer.from(
  '0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643' +
    '000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96',
  'hex',
);
const SAMPLE_V6 = Buffer.from(
  '010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa' +
    'a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c',
  'hex',
);
const ID = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex');

function response(attributes: string, length = attributes.length / 2): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(0x0101, 0);
  header.writeUInt16BE(length, 2);
  return Buffer.concat([header, Buffer.from('2112a442', 'hex'), ID, Buffer.from(attributes, 'hex')]);
}

test('a request is a bare header', () => {
  assert.equal(encodeBindingRequest(ID).toString('hex'), '000100002112a442b7e7a701bc34d686fa87dfae');
  assert.throws(() => encodeBindingRequest(ID.subarray(1)), RangeError);
});

test('the samples of RFC 5769 are read', () => {
  const v4 = decodeBindingResponse(SAMPLE_V4);
  assert.deepEqual(v4, { transactionId: ID, mapped: { ip: '192.0.2.1', port: 32853 } });
  const v6 = decodeBindingResponse(SAMPLE_V6);
  assert.deepEqual(v6?.mapped, { ip: '2001:db8:1234:5678:11:2233:4455:6677', port: 32853 });
});

test('MAPPED-ADDRESS counts where there is no XOR-MAPPED-ADDRESS', () => {
  const plain = '000100080001c000c6336407';
  assert.deepEqual(decodeBindingResponse(response(plain))?.mapped, { ip: '198.51.100.7', port: 49152 });
  const both = `${plain}002000080001a147e112a643`;
  assert.deepEqual(decodeBindingResponse(response(both))?.mapped, { ip: '192.0.2.1', port: 32853 });
});

test('what is no success response is not read', () => {
  const xor = '002000080001a147e112a643';
  assert.ok(decodeBindingResponse(response(xor)));
  const altered = (at: number) => {
    const bytes = response(xor);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return decodeBindingResponse(bytes);
  };
  for (const at of [0, 1, 2, 3, 4, 7]) assert.equal(altered(at), undefined, `byte ${at}`);
  assert.equal(decodeBindingResponse(response('')), undefined);
  assert.equal(decodeBindingResponse(response(xor, 200)), undefined);
  assert.equal(decodeBindingResponse(response('0020000c0001a147e112a643')), undefined, 'an attribute that overruns');
  assert.equal(decodeBindingResponse(response('002000080003a147e112a643')), undefined, 'an unknown family');
  assert.equal(decodeBindingResponse(response('002000040001a147')), undefined, 'an address without bytes');
  assert.equal(decodeBindingResponse(response('0020')), undefined, 'half an attribute');
});

test('no damage to a response makes the reader throw', () => {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (const sample of [SAMPLE_V4, SAMPLE_V6, response('000100080001c000c6336407')]) {
    for (let length = 0; length <= sample.length; length++) decodeBindingResponse(sample.subarray(0, length));
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(sample);
      for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256);
      // Most lengths are kept right, so that the attributes are looked at.
      if (random(4) !== 0) bytes.writeUInt16BE(bytes.length - 20, 2);
      const found = decodeBindingResponse(bytes.subarray(0, random(8) === 0 ? random(bytes.length) : bytes.length));
      if (found !== undefined) assert.equal(found.transactionId.length, 12);
    }
  }
});
