import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParticipantInfo } from '@livekit/protocol';
import { pino } from 'pino';
import { LocalKeyspace } from '../cluster/local-keyspace.ts';
import { KeyspaceStore } from '../cluster/store.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { type PersistenceStore, RoomPersistence } from './room-persistence.ts';

test('a change at any step of a write reaches the store', async () => {
  for (let steps = 0; steps < 20; steps++) {
    const store = new KeyspaceStore(new LocalKeyspace());
    const persistence = new RoomPersistence(store, { holds: () => true }, 'a' as RoomName, pino({ level: 'silent' }));
    persistence.removeParticipant('x' as Identity);
    for (let step = 0; step < steps; step++) await Promise.resolve();
    persistence.saveParticipant('x' as Identity, new ParticipantInfo({ identity: 'x' }));
    await persistence.settled();
    assert.equal((await store.participants.list('a' as RoomName)).length, 1, `after ${steps} steps`);
  }
});

test('nothing is written about a room that is not ours, and all of it once it is', async () => {
  const store = new KeyspaceStore(new LocalKeyspace());
  const right = { ours: false, holds: () => right.ours };
  const persistence = new RoomPersistence(store, right, 'a' as RoomName, pino({ level: 'silent' }));
  await store.participants.store('a' as RoomName, new ParticipantInfo({ identity: 'another’s' }));
  persistence.removeParticipant('another’s' as Identity);
  persistence.saveParticipant('x' as Identity, new ParticipantInfo({ identity: 'x' }));
  await persistence.settled();
  assert.deepEqual(await identities(store), ['another’s']);
  right.ours = true;
  persistence.retry();
  await persistence.settled();
  assert.deepEqual(await identities(store), ['x']);
});

test('what the store refused is written later, unless it changed since', async () => {
  const store = new KeyspaceStore(new LocalKeyspace());
  let away = true;
  const participants = {
    ...bound(store.participants),
    store: async (room: RoomName, info: ParticipantInfo) => {
      if (away) throw new Error('redis is away');
      await store.participants.store(room, info);
    },
  };
  const log = pino({ level: 'silent' });
  const persistence = new RoomPersistence({ rooms: store.rooms, participants }, ALWAYS, 'a' as RoomName, log);
  persistence.saveParticipant('x' as Identity, new ParticipantInfo({ identity: 'x', name: 'first' }));
  persistence.saveParticipant('y' as Identity, new ParticipantInfo({ identity: 'y' }));
  await persistence.settled();
  away = false;
  persistence.saveParticipant('x' as Identity, new ParticipantInfo({ identity: 'x', name: 'second' }));
  await persistence.settled();
  const names = (await store.participants.list('a' as RoomName)).map(({ identity, name }) => `${identity} ${name}`);
  assert.deepEqual(names.toSorted(), ['x second', 'y ']);
});

test('a closed room is not written about', async () => {
  const store = new KeyspaceStore(new LocalKeyspace());
  const persistence = new RoomPersistence(store, ALWAYS, 'a' as RoomName, pino({ level: 'silent' }));
  await persistence.close();
  persistence.saveParticipant('x' as Identity, new ParticipantInfo({ identity: 'x' }));
  persistence.retry();
  await persistence.settled();
  assert.deepEqual(await identities(store), []);
});

const ALWAYS = { holds: () => true };

async function identities(store: KeyspaceStore): Promise<string[]> {
  return (await store.participants.list('a' as RoomName)).map(({ identity }) => identity);
}

function bound(participants: KeyspaceStore['participants']): PersistenceStore['participants'] {
  return {
    load: (room, identity) => participants.load(room, identity),
    list: (room) => participants.list(room),
    store: (room, info) => participants.store(room, info),
    remove: (room, identity) => participants.remove(room, identity),
  };
}
