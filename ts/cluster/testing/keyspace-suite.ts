import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { RpcError } from '../../lib/rpc-error.ts';
import type { Keyspace } from '../keyspace.ts';

export interface Opened<Subject> {
  readonly subject: Subject;
  close(): Promise<void>;
}

/** What every keyspace does. Keys of one run differ from those of another, so that one Redis serves many. */
export function keyspaceBehaves(name: string, open: () => Promise<Opened<Keyspace>>): void {
  describe(`keyspace: ${name}`, () => {
    let opened: Opened<Keyspace>;
    let keyspace: Keyspace;

    const fresh = () => `suite:${randomUUID()}`;

    before(async () => {
      opened = await open();
      keyspace = opened.subject;
    });
    after(() => opened?.close());

    it('keeps the bytes of a hash field, and tells an absent one', async () => {
      const key = fresh();
      const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      assert.equal(await keyspace.hashGet(key, 'é'), undefined);
      await keyspace.hashSet(key, 'é', value);
      assert.deepEqual(plain(await keyspace.hashGet(key, 'é')), value);
      await keyspace.hashSet(key, 'text', 'ü');
      assert.equal(await keyspace.hashSize(key), 2);
      const many = await keyspace.hashGetMany(key, ['text', 'none', 'é']);
      assert.deepEqual(many.map(plain), [new TextEncoder().encode('ü'), undefined, value]);
      assert.deepEqual(await keyspace.hashGetMany(key, []), []);
    });

    it('keeps what a caller changes later as it was', async () => {
      const key = fresh();
      const value = Uint8Array.of(1);
      await keyspace.hashSet(key, 'f', value);
      value[0] = 2;
      const read = await keyspace.hashGet(key, 'f');
      assert.deepEqual(plain(read), Uint8Array.of(1));
      read?.fill(3);
      assert.deepEqual(plain(await keyspace.hashGet(key, 'f')), Uint8Array.of(1));
    });

    it('removes fields, and with the last one the hash', async () => {
      const key = fresh();
      await keyspace.hashSet(key, 'a', '1');
      await keyspace.hashSet(key, 'b', '2');
      await keyspace.hashRemove(key, 'a', 'never there');
      await keyspace.hashRemove(key);
      assert.equal(await keyspace.hashSize(key), 1);
      await keyspace.hashRemove(key, 'b');
      assert.equal(await keyspace.hashSize(key), 0);
      assert.ok(await keyspace.set(key, 'a string now'));
    });

    it('goes through a whole hash in pages', async () => {
      const key = fresh();
      const wanted = new Map<string, string>();
      for (let index = 0; index < 1200; index += 1) wanted.set(`field ${index}`, `${index}`.repeat(30));
      await keyspace.many([...wanted].map(([field, value]) => ({ write: 'hashSet', key, field, value })));
      const seen = new Map<string, string>();
      let pages = 0;
      for await (const page of keyspace.hashPages(key, 100)) {
        pages += 1;
        for (const [field, value] of page) seen.set(field, Buffer.from(value).toString());
      }
      assert.deepEqual(new Map([...seen].sort()), new Map([...wanted].sort()));
      assert.ok(pages >= 5, `${pages} pages`);
      for await (const _ of keyspace.hashPages(fresh())) assert.fail('a page of nothing');
    });

    it('keeps sets', async () => {
      const key = fresh();
      assert.deepEqual(await keyspace.setMembers(key), []);
      await keyspace.setAdd(key, 'a', 'b', 'a');
      await keyspace.setAdd(key);
      await keyspace.setRemove(key, 'b', 'c');
      await keyspace.setRemove(key);
      assert.deepEqual(await keyspace.setMembers(key), ['a']);
    });

    it('keeps strings, and those with a lifetime for as long', async () => {
      const key = fresh();
      assert.equal(await keyspace.get(key), undefined);
      assert.ok(await keyspace.set(key, 'one'));
      assert.ok(await keyspace.set(key, 'two', { ttlMs: 40 }));
      assert.equal(await keyspace.set(key, 'three', { ttlMs: 10_000, onlyIfAbsent: true }), false);
      assert.deepEqual(text(await keyspace.get(key)), 'two');
      await later(80);
      assert.equal(await keyspace.get(key), undefined);
      assert.equal(await keyspace.set(key, 'three', { ttlMs: 10_000, onlyIfAbsent: true }), true);
      await keyspace.remove(key, fresh());
      assert.equal(await keyspace.get(key), undefined);
    });

    it('counts', async () => {
      const key = fresh();
      assert.equal(await keyspace.increment(key), 1);
      assert.equal(await keyspace.increment(key), 2);
      await keyspace.set(key, '41');
      assert.deepEqual((await Promise.all([1, 2, 3].map(() => keyspace.increment(key)))).sort(), [42, 43, 44]);
    });

    it('removes and extends only what is as expected', async () => {
      const key = fresh();
      await keyspace.set(key, 'mine', { ttlMs: 200 });
      assert.equal(await keyspace.extendIfEquals(key, 'yours', 1), false);
      assert.equal(await keyspace.removeIfEquals(key, 'yours'), false);
      assert.equal(await keyspace.extendIfEquals(key, 'mine', 10_000), true);
      await later(250);
      assert.equal(text(await keyspace.get(key)), 'mine');
      assert.equal(await keyspace.removeIfEquals(key, 'mine'), true);
      assert.equal(await keyspace.removeIfEquals(key, 'mine'), false);
      assert.equal(await keyspace.extendIfEquals(key, 'mine', 10_000), false);
    });

    it('swaps a hash field only from what is expected', async () => {
      const key = fresh();
      assert.equal(await keyspace.hashSwap(key, 'f', 'a', 'b'), false);
      assert.equal(await keyspace.hashSwap(key, 'f', undefined, Uint8Array.of(0, 255)), true);
      assert.equal(await keyspace.hashSwap(key, 'f', undefined, 'b'), false);
      assert.equal(await keyspace.hashSwap(key, 'f', Uint8Array.of(0, 254), 'b'), false);
      assert.equal(await keyspace.hashSwap(key, 'f', Uint8Array.of(0, 255), ''), true);
      assert.equal(await keyspace.hashSwap(key, 'f', undefined, 'b'), false, 'empty is not absent');
      assert.equal(await keyspace.hashSwap(key, 'f', '', undefined), true);
      assert.equal(await keyspace.hashGet(key, 'f'), undefined);
    });

    it('gives a field to one of many who swap at once', async () => {
      const key = fresh();
      const won = await Promise.all(['a', 'b', 'c', 'd'].map((next) => keyspace.hashSwap(key, 'f', undefined, next)));
      assert.equal(won.filter(Boolean).length, 1);
    });

    it('replaces a value through all changes by others', async () => {
      const key = fresh();
      assert.equal(await keyspace.replaceIf(key, () => undefined), false);
      assert.equal(await keyspace.replaceIf(key, (current) => (current === undefined ? bytes('0') : undefined)), true);
      const add = () => keyspace.replaceIf(key, (current) => bytes(`${Number(text(current)) + 1}`));
      assert.deepEqual(await Promise.all([add(), add(), add()]), [true, true, true]);
      assert.equal(text(await keyspace.get(key)), '3');
    });

    it('writes many in their order', async () => {
      const [hash, set, string, gone] = [fresh(), fresh(), fresh(), fresh()];
      await keyspace.set(gone, 'x');
      await keyspace.many([
        { write: 'hashSet', key: hash, field: 'a', value: '1' },
        { write: 'hashSet', key: hash, field: 'b', value: '2' },
        { write: 'hashRemove', key: hash, fields: ['a'] },
        { write: 'hashRemove', key: hash, fields: [] },
        { write: 'setAdd', key: set, members: ['m', 'n'] },
        { write: 'setRemove', key: set, members: ['n'] },
        { write: 'set', key: string, value: 'first' },
        { write: 'set', key: string, value: 'last', ttlMs: 60_000 },
        { write: 'remove', key: gone },
      ]);
      assert.equal(await keyspace.hashSize(hash), 1);
      assert.deepEqual(await keyspace.setMembers(set), ['m']);
      assert.equal(text(await keyspace.get(string)), 'last');
      assert.equal(await keyspace.get(gone), undefined);
    });

    it('rejects a write to a key of another kind, and writes the others', async () => {
      const [string, other] = [fresh(), fresh()];
      await keyspace.set(string, 'x');
      const internal = (error: unknown) => error instanceof RpcError && error.code === 'internal';
      await assert.rejects(keyspace.hashSet(string, 'f', 'v'), internal);
      await assert.rejects(keyspace.setMembers(string), internal);
      await assert.rejects(
        keyspace.many([
          { write: 'setAdd', key: string, members: ['m'] },
          { write: 'set', key: other, value: 'y' },
        ]),
        internal,
      );
      assert.equal(text(await keyspace.get(other)), 'y');
    });

    it('is up', () => assert.equal(keyspace.link.up, true));
  });
}

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
/** Without being a Buffer, which is not equal to an array of the same bytes. */
const plain = (value: Uint8Array | undefined) => value && Uint8Array.from(value);
