import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { RoomName } from '../lib/ids.ts';
import { settle, VirtualClock } from '../room/testing/virtual-clock.ts';
import { Drain } from './drain.ts';

function setUp(parts: { deadline?: number; others?: boolean; participants?: number; stuck?: boolean } = {}) {
  const clock = new VirtualClock();
  const said: string[] = [];
  const totals = { rooms: 1, participants: parts.participants ?? 2 };
  const others = { serve: parts.others ?? true };
  const drain = new Drain({
    node: {
      setState: async (state) => {
        said.push(state);
      },
    },
    rooms: {
      totals,
      hosted: () => (totals.rooms > 0 ? ['r' as RoomName] : []),
      acceptNew: (accept) => said.push(accept ? 'accepts' : 'refuses'),
      giveUpEmpty: () => {
        if (totals.participants === 0 && totals.rooms > 0) {
          totals.rooms = 0;
          said.push('gave up');
        }
      },
      handOver: async (room) => {
        if (parts.stuck) {
          said.push(`handing over ${room}`);
          await new Promise(() => {});
        }
        said.push(`handed over ${room}`);
        totals.rooms = 0;
        totals.participants = 0;
      },
    },
    agents: { leave: () => {}, stay: () => {} },
    othersServe: async () => others.serve,
    deadline: parts.deadline ?? 600_000,
    clock,
    now: () => new Date(clock.now()),
    log: pino({ level: 'silent' }),
  });
  return { clock, drain, said, totals };
}

describe('draining', () => {
  it('ends when the last one has left', async () => {
    const { clock, drain, said, totals } = setUp();
    const finished = drain.finish();
    await clock.advance(60_000);
    assert.deepEqual([drain.status.state, said], ['draining', ['refuses', 'shuttingDown']]);
    totals.participants = 0;
    await clock.advance(1000);
    await finished;
    assert.deepEqual([drain.status.state, said.at(-1), clock.pending], ['done', 'gave up', 0]);
  });

  it('hands rooms over when time is up', async () => {
    const { clock, drain, said } = setUp({ deadline: 10_000 });
    const finished = drain.finish();
    await settle();
    assert.equal(drain.status.until, new Date(clock.now() + 10_000).toISOString());
    await clock.advance(9000);
    assert.equal(drain.active, true);
    assert.ok(!said.includes('handed over r'));
    await clock.advance(1000);
    await finished;
    assert.equal(said.at(-1), 'handed over r');
  });

  it('does not wait for a room that can not be handed over', async () => {
    const { clock, drain, said, totals } = setUp({ deadline: 10_000, stuck: true });
    const finished = drain.finish();
    await settle();
    await clock.advance(19_000);
    assert.deepEqual([said.at(-1), drain.status.state], ['handing over r', 'draining']);
    await clock.advance(1_000);
    await finished;
    assert.deepEqual([drain.status.state, totals.rooms, clock.pending], ['done', 1, 0]);
  });

  it('leaves rooms where they are when there is no other node', async () => {
    const { clock, drain, said, totals } = setUp({ deadline: 10_000, others: false });
    const finished = drain.finish();
    await clock.advance(10_000);
    await finished;
    assert.deepEqual([said, totals.participants], [['refuses', 'shuttingDown'], 2]);
  });

  it('waits for ever without a deadline', async () => {
    const { clock, drain, said } = setUp({ deadline: 0 });
    await drain.start();
    await clock.advance(24 * 3_600_000);
    assert.deepEqual([drain.status.state, drain.status.until, said.length], ['draining', undefined, 2]);
    drain.close();
    assert.equal(clock.pending, 0);
  });

  it('can be undone, unless the process is to end', async () => {
    const { clock, drain, said } = setUp({ deadline: 10_000 });
    await drain.start();
    await drain.undo();
    await clock.advance(20_000);
    assert.deepEqual([drain.status.state, said], ['serving', ['refuses', 'shuttingDown', 'accepts', 'serving']]);
    const finished = drain.finish();
    await settle();
    await assert.rejects(drain.undo(), { code: 'failed_precondition' });
    drain.close();
    await finished;
  });

  it('asked for again has another deadline', async () => {
    const { clock, drain, said } = setUp({ deadline: 600_000 });
    await drain.start();
    await drain.start(1000);
    await clock.advance(1000);
    assert.equal(said.at(-1), 'handed over r');
    assert.equal(said.filter((word) => word === 'refuses').length, 1);
  });
});
