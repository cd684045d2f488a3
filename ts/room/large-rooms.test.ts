/** What happens to one must not cost what the room is large: encodings are counted. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JoinResponse, MuteTrackRequest, ParticipantInfo, type SignalResponse } from '@livekit/protocol';
import type { SignalSink } from './contracts.ts';
import { type Client, joinParams, Scene } from './testing/scene.ts';

/** A client in the crowd: it counts what it gets, by message. */
class CountingSink implements SignalSink {
  readonly own: SignalResponse[] = [];
  readonly shared: SignalResponse[] = [];
  send(message: SignalResponse): void {
    this.own.push(message);
  }
  sendShared(message: SignalResponse): void {
    this.shared.push(message);
  }
  close(): void {}
}

interface Crowd {
  scene: Scene;
  publisher: Client;
  trackSid: string;
  sinks: CountingSink[];
}

async function crowd(size: number): Promise<Crowd> {
  const scene = new Scene();
  const publisher = await scene.active('publisher');
  const trackSid = await scene.publishMicrophone(publisher);
  const sinks: CountingSink[] = [];
  for (let index = 0; index < size; index += 1) {
    const sink = new CountingSink();
    await scene.host.startSession(joinParams(`viewer ${index}`), sink, new AbortController().signal);
    sinks.push(sink);
  }
  scene.connectAll();
  // Presence of all of them is told, and the counts of the room.
  await scene.clock.advance(10_000);
  for (const sink of sinks) {
    sink.own.length = 0;
    sink.shared.length = 0;
  }
  return { scene, publisher, trackSid, sinks };
}

/** How often infos are encoded while `change` runs: each at most once, so that many means many changed. */
async function encodings(change: () => Promise<void>): Promise<number> {
  const original = ParticipantInfo.prototype.toBinary;
  let count = 0;
  ParticipantInfo.prototype.toBinary = function (...options) {
    count += 1;
    return original.apply(this, options);
  };
  try {
    await change();
  } finally {
    ParticipantInfo.prototype.toBinary = original;
  }
  return count;
}

test('a join encodes as many infos in a room of 400 as in a room of 20, and lists everybody all the same', async () => {
  const counts: number[] = [];
  for (const size of [20, 400]) {
    const { scene } = await crowd(size);
    const sink = new CountingSink();
    counts.push(
      await encodings(async () => {
        await scene.host.startSession(joinParams('late'), sink, new AbortController().signal);
        const [welcome] = sink.own;
        assert.ok(welcome?.message.case === 'join');
        const { otherParticipants } = JoinResponse.fromBinary(welcome.message.value.toBinary());
        const identities = otherParticipants.map(({ identity }) => identity);
        const others = ['publisher', ...Array.from({ length: size }, (_, index) => `viewer ${index}`)];
        assert.deepEqual(identities.toSorted(), others.toSorted());
      }),
    );
    await scene.close();
  }
  assert.equal(counts[0], counts[1]);
});

test('what everybody is told is one message, whoever gets it', async () => {
  const { scene, publisher, trackSid, sinks } = await crowd(50);
  publisher.session.publishing.mute(new MuteTrackRequest({ sid: trackSid, muted: true }));
  const [first] = sinks[0]?.shared ?? [];
  assert.equal(first?.message.case, 'update');
  for (const { own, shared } of sinks) {
    assert.deepEqual([own.length, shared.length], [0, 1]);
    assert.equal(shared[0], first);
  }
  await scene.close();
});

test('many joins within 3 s are told to everybody in one message', async () => {
  const { scene, sinks } = await crowd(20);
  for (let index = 0; index < 30; index += 1) await scene.enter(`late ${index}`);
  await scene.clock.advance(3000);
  const updates = sinks.map(({ shared }) => shared.filter(({ message }) => message.case === 'update'));
  assert.ok(updates.every((messages) => messages.length === 1 && messages[0] === updates[0]?.[0]));
  const [update] = updates[0] ?? [];
  assert.ok(update?.message.case === 'update');
  assert.equal(update.message.value.participants.length, 30);
  await scene.close();
});

test('a viewer whose connection gets worse is the only one who hears of it', async () => {
  const { scene, sinks } = await crowd(10);
  const late = await scene.active('late');
  await scene.clock.advance(5000);
  for (const sink of sinks) sink.own.length = 0;
  late.sink.clear();
  const trackSid = late.negotiation.subscriptions[0]?.trackSid ?? '';
  late.negotiation.host.onSubscribed(trackSid, 'opus');
  late.negotiation.host.onSubscriptionQuality(trackSid, {
    down: 1 as never,
    score: 30,
    lost: false,
    loss: 0.2,
    rttMs: 20,
    window: { expected: 100, received: 80, late: 0, jitterUs: 0 },
  });
  await scene.clock.advance(5000);
  assert.equal(late.sink.all('connectionQuality').length, 1);
  assert.ok(sinks.every(({ own }) => !own.some(({ message }) => message.case === 'connectionQuality')));
  await scene.close();
});

test('hidden participants are on nobody else’s list', async () => {
  const scene = new Scene();
  await scene.active('ghost', { grant: { hidden: true } });
  const alice = await scene.active('alice');
  const { otherParticipants } = alice.sink.last('join');
  assert.deepEqual(otherParticipants, []);
  await scene.close();
});
