import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParticipantInfo } from '@livekit/protocol';
import { pino } from 'pino';
import { LocalKeyspace } from '../cluster/local-keyspace.ts';
import { KeyspaceStore } from '../cluster/store.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RoomPersistence } from './room-persistence.ts';

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
