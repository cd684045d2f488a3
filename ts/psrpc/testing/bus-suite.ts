import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { RpcError } from '../../lib/rpc-error.ts';
import type { Bus } from '../bus.ts';

export interface OpenedBuses {
  /** Two ends of one network; the same where there is but one. */
  readonly here: Bus;
  readonly there: Bus;
  close(): Promise<void>;
}

/** What every bus does. */
export function busBehaves(name: string, open: () => Promise<OpenedBuses>): void {
  describe(`bus: ${name}`, () => {
    let buses: OpenedBuses;
    let here: Bus;
    let there: Bus;

    const fresh = () => `suite|${randomUUID()}|REQ`;

    before(async () => {
      buses = await open();
      ({ here, there } = buses);
    });
    after(() => buses?.close());

    it('brings messages to all who listen, in their order, bytes as they were', async () => {
      const channel = fresh();
      const [first, second] = [listener(), listener()];
      await here.subscribe(channel, first.hear);
      await there.subscribe(channel, second.hear);
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      await there.publish(channel, all);
      for (let index = 0; index < 50; index += 1) await there.publish(channel, Uint8Array.of(index));
      for (const { heard } of [await first.hears(51), await second.hears(51)]) {
        assert.deepEqual(heard[0], all);
        assert.deepEqual(
          heard.slice(1),
          [...Array(50).keys()].map((index) => Uint8Array.of(index)),
        );
      }
    });

    it('does not call a listener inside publish', async () => {
      const channel = fresh();
      let heard = 0;
      await here.subscribe(channel, () => {
        heard += 1;
      });
      const published = here.publish(channel, Uint8Array.of(1));
      assert.equal(heard, 0);
      await published;
    });

    it('keeps what the publisher changes later as it was', async () => {
      const channel = fresh();
      const ear = listener();
      await here.subscribe(channel, ear.hear);
      const payload = Uint8Array.of(1);
      const published = there.publish(channel, payload);
      payload[0] = 2;
      await published;
      assert.deepEqual((await ear.hears(1)).heard, [Uint8Array.of(1)]);
    });

    it('brings nothing after a subscription has ended, and again what one begins anew', async () => {
      const channel = fresh();
      const [gone, stays] = [listener(), listener()];
      const end = await here.subscribe(channel, gone.hear);
      const endOther = await here.subscribe(channel, stays.hear);
      await end();
      await end();
      await there.publish(channel, Uint8Array.of(1));
      await stays.hears(1);
      await endOther();
      const again = listener();
      await here.subscribe(channel, again.hear);
      await there.publish(channel, Uint8Array.of(2));
      assert.deepEqual((await again.hears(1)).heard, [Uint8Array.of(2)]);
      assert.equal(gone.heard.length, 0);
      assert.equal(stays.heard.length, 1);
    });

    it('listens twice with one function, and ends each alone', async () => {
      const channel = fresh();
      const ear = listener();
      const end = await here.subscribe(channel, ear.hear);
      await here.subscribe(channel, ear.hear);
      await there.publish(channel, Uint8Array.of(1));
      await ear.hears(2);
      await end();
      await there.publish(channel, Uint8Array.of(2));
      assert.equal((await ear.hears(3)).heard.length, 3);
    });

    it('gives a claim to the first who asks, until it ends', async () => {
      const key = fresh();
      const answers = await Promise.all([here.claim(key, 60), there.claim(key, 60), here.claim(key, 60)]);
      assert.equal(answers.filter(Boolean).length, 1);
      await new Promise((resolve) => setTimeout(resolve, 120));
      assert.equal(await there.claim(key, 60), true);
    });

    it('rejects with unavailable once it is closed', async () => {
      const { here: own, close } = await open();
      await own.close();
      await own.close();
      const unavailable = (error: unknown) => error instanceof RpcError && error.code === 'unavailable';
      await assert.rejects(own.publish('c', Uint8Array.of(1)), unavailable);
      await assert.rejects(
        own.subscribe('c', () => {}),
        unavailable,
      );
      await assert.rejects(own.claim('k', 10), unavailable);
      await close();
    });
  });
}

function listener() {
  const heard: Uint8Array[] = [];
  let wake = () => {};
  const self = {
    heard,
    hear: (payload: Uint8Array) => {
      heard.push(Uint8Array.from(payload));
      wake();
    },
    /** Resolves when as many have come; the test's own limit of time is the end of waiting. */
    hears: async (wanted: number) => {
      while (heard.length < wanted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return self;
    },
  };
  return self;
}
