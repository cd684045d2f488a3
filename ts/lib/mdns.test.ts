import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { decodeMdnsAnswers, encodeMdnsQuery, isMdnsName, MdnsResolver } from './mdns.ts';

const NAME = '9b36eaac-bb2e-49bb-bb78-21c41c499900.local';

/** A response with one record; the name as `encodeMdnsQuery` wrote it. */
function response(name: string, type: number, data: number[]): Buffer {
  const qname = encodeMdnsQuery(name).subarray(12, 12 + name.length + 2);
  const header = Buffer.from([0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  return Buffer.concat([header, qname, Buffer.from([0, type, 0x80, 1, 0, 0, 0, 120, 0, data.length, ...data])]);
}

test('a query asks for both kinds of addresses', () => {
  const query = encodeMdnsQuery('a-b.local').toString('hex');
  assert.equal(query, '000000000002000000000000' + '03612d62056c6f63616c0000010001' + '03612d62056c6f63616c00001c0001');
});

test('addresses of both families are read, whatever the case of the name', () => {
  assert.deepEqual(decodeMdnsAnswers(response(NAME.toUpperCase(), 1, [192, 0, 2, 7])), [
    { name: NAME, ip: '192.0.2.7' },
  ]);
  const v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
  assert.deepEqual(decodeMdnsAnswers(response(NAME, 28, v6)), [{ name: NAME, ip: '2001:db8::7' }]);
  assert.deepEqual(decodeMdnsAnswers(response(NAME, 1, v6)), []);
  assert.deepEqual(decodeMdnsAnswers(response(NAME, 16, [192, 0, 2, 7])), []);
});

test('names may point back, and never in circles', () => {
  const head = '000084000001000100000000' + '0161056c6f63616c0000010001';
  const record = '000100010000007800040a000001';
  assert.deepEqual(decodeMdnsAnswers(Buffer.from(`${head}c00c${record}`, 'hex')), [
    { name: 'a.local', ip: '10.0.0.1' },
  ]);
  assert.deepEqual(decodeMdnsAnswers(Buffer.from(`${head}0162c00e${record}`, 'hex')), [
    { name: 'b.local', ip: '10.0.0.1' },
  ]);
  assert.deepEqual(decodeMdnsAnswers(Buffer.from(`${head}c019${record}`, 'hex')), [], 'itself');
  assert.deepEqual(decodeMdnsAnswers(Buffer.from(`${head}c0ff${record}`, 'hex')), [], 'beyond the end');
});

test('no damage to a response makes the reader throw or hang', () => {
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const sample = Buffer.from(
    '000084000001000200000000' +
      '0161056c6f63616c0000010001' +
      'c00c000100010000007800040a000001' +
      '0162c00e001c00010000007800102001' +
      '0db8000000000000000000000007',
    'hex',
  );
  for (let length = 0; length <= sample.length; length++) decodeMdnsAnswers(sample.subarray(0, length));
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(sample);
    for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256);
    decodeMdnsAnswers(bytes);
  }
  decodeMdnsAnswers(Buffer.alloc(65_000, 0xff).fill(Buffer.from('00008400ffffffff', 'hex'), 0, 8));
});

test('only names of one label are resolved', () => {
  assert.deepEqual(
    [NAME, 'printer.local', 'a.b.local', 'example.com', '.local', 'local', `${'a'.repeat(64)}.local`].filter(
      isMdnsName,
    ),
    [NAME, 'printer.local'],
  );
});

test('a name is resolved by who has it, and stays unknown where nobody does', async (context) => {
  const responder = createSocket({ type: 'udp4', reuseAddr: true });
  responder.bind(5353, '0.0.0.0');
  await once(responder, 'listening');
  const errors: Error[] = [];
  const resolver = new MdnsResolver({
    locals: [{ ip: '127.0.0.1', interface: 'lo' }],
    onError: (error) => errors.push(error),
    waits: [200, 200],
  });
  try {
    responder.addMembership('224.0.0.251', '127.0.0.1');
    responder.setMulticastInterface('127.0.0.1');
    let asked = 0;
    responder.on('message', (bytes) => {
      if (!bytes.equals(encodeMdnsQuery(NAME)) || ++asked < 2) return;
      responder.send(response(NAME, 1, [192, 0, 2, 7]), 5353, '224.0.0.251');
    });
    const [first, second, nobody] = await Promise.all([
      resolver.resolve(NAME),
      resolver.resolve(NAME.toUpperCase()),
      resolver.resolve('nobody.local'),
    ]);
    if (asked === 0) return context.skip('loopback carries no multicast here');
    assert.deepEqual([first, second, nobody], ['192.0.2.7', '192.0.2.7', undefined]);
    assert.equal(await resolver.resolve('example.com'), undefined);
    assert.deepEqual(errors, []);
    const open = resolver.resolve('later.local');
    await Promise.all([resolver.close(), resolver.close()]);
    assert.equal(await open, undefined);
    assert.equal(await resolver.resolve(NAME), undefined);
  } finally {
    await resolver.close();
    responder.close();
  }
});
