import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle, VirtualClock } from '../room/testing/virtual-clock.ts';
import { inTurn } from './in-turn.ts';

function setUp() {
  const clock = new VirtualClock();
  const said: object[] = [];
  return { clock, said, parts: { limit: 5_000, clock, log: { error: (fields: object) => said.push(fields) } } };
}

describe('ending in turn', () => {
  it('goes from one to the next', async () => {
    const { parts, said, clock } = setUp();
    const ran: string[] = [];
    await inTurn(
      ['a', 'b'].map((name) => ({ name, run: async () => void ran.push(name) })),
      parts,
    );
    assert.deepEqual([ran, said, clock.pending], [['a', 'b'], [], 0]);
  });

  it('leaves behind what does not end, by name', async () => {
    const { parts, said, clock } = setUp();
    const ran: string[] = [];
    const never = { name: 'engine', run: () => new Promise<void>(() => {}) };
    const ended = inTurn([never, { name: 'links', run: () => void ran.push('links') }], parts);
    await settle();
    assert.deepEqual(ran, []);
    await clock.advance(5_000);
    await ended;
    assert.deepEqual([ran, said, clock.pending], [['links'], [{ step: 'engine', limit: 5_000 }], 0]);
  });

  it('rejects with the first failure, behind all the others', async () => {
    const { parts, said } = setUp();
    const fails = (name: string) => ({ name, run: () => Promise.reject(new Error(name)) });
    await assert.rejects(inTurn([fails('first'), fails('second')], parts), { message: 'first' });
    assert.deepEqual(said, [
      { step: 'first', error: 'first' },
      { step: 'second', error: 'second' },
    ]);
  });
});
