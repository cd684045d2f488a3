import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerInfo, SignalResponse } from '@livekit/protocol';
import { DEFAULT_ROOM_CONFIG } from '../room/config.ts';
import { RehearsedClient } from './client.ts';
import { rehearse } from './rehearsal.ts';

const SETTINGS = {
  config: { ...DEFAULT_ROOM_CONFIG, autoCreate: false },
  serverInfo: new ServerInfo({ protocol: 17 }),
};

/** What the server said to clients while `run` ran, by kind. */
async function said(run: () => Promise<void>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const send = RehearsedClient.prototype.send;
  RehearsedClient.prototype.send = function (frame) {
    if (typeof frame !== 'string') {
      const kind = SignalResponse.fromBinary(frame).message.case ?? 'nothing';
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    send.call(this, frame);
  };
  try {
    await run();
  } finally {
    RehearsedClient.prototype.send = send;
  }
  return counts;
}

test('all join, cameras are published and subscribed to', async () => {
  const counts = await said(() => rehearse(SETTINGS, 16));
  assert.equal(counts.get('join'), 16);
  assert.equal(counts.get('trackPublished'), 2);
  assert.equal(counts.get('offer'), 16);
  // Publishers hear of the first subscriber.
  assert.equal(counts.get('trackSubscribed'), 2);
  assert.equal(counts.get('answer'), 16);
  assert.equal(counts.get('leave') ?? 0, 0);
});

test('what is rehearsed takes a fraction of a second', async () => {
  const began = performance.now();
  await rehearse(SETTINGS);
  assert.ok(performance.now() - began < 3_000);
});
