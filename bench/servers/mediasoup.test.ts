import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { measure } from '../measure/measure.ts';
import type { Measurement } from '../measure/measurement.ts';
import { loadProgram } from '../measure/program.ts';
import { loadScenario } from '../scenario/load.ts';
import { mediasoupServer, refusal } from './mediasoup.ts';
import { loopback } from './network.ts';
import { refusals, type ServerKind } from './server.ts';

const { MEDIASOUP, SLUICE_LOAD } = process.env;
const LOAD = fileURLToPath(new URL('../../target/release/sluice-load', import.meta.url));

test('what the adapter has not is refused by name', () => {
  assert.equal(refusal(loadScenario('data-heavy')), 'the adapter has no data, which groups.senders publishes');
  const single = loadScenario('livestream', ['singlePeerConnection=true']);
  assert.equal(refusal(single), 'the adapter has two peer connections for each client, not a single one');
  for (const name of ['livestream', 'audio-rooms', 'meeting', 'idle-viewers', 'join-storm']) {
    assert.equal(refusal(loadScenario(name)), undefined);
  }
});

test('a refusal names scenario and server', () => {
  const kind = { name: 'mediasoup', version: '3', refusal } as ServerKind;
  assert.deepEqual(refusals([kind], loadScenario('data-heavy')), [
    "data-heavy can't be run on mediasoup: the adapter has no data, which groups.senders publishes",
  ]);
});

function whySkipped(): string | false {
  if (!MEDIASOUP) return 'MEDIASOUP names no folder that has mediasoup';
  if (!SLUICE_LOAD && !existsSync(LOAD)) return 'the load generator is not built';
  return false;
}

async function measured(scenario: string, set: string[]): Promise<Measurement> {
  const kind = await mediasoupServer(MEDIASOUP ?? '');
  const network = loopback();
  try {
    const load = loadProgram(() => {});
    const signal = AbortSignal.timeout(60_000);
    const short = loadScenario(scenario, ['seconds=2', ...set]);
    return await measure(kind, short, { network, load, onProgress() {}, signal });
  } finally {
    network.close();
    kind.close();
  }
}

interface Case {
  name: string;
  scenario: string;
  set: string[];
  streams: number;
  /** At the highest layer. */
  packetsPerSecond: number;
}

const CASES: Case[] = [
  {
    name: 'one stream',
    scenario: 'livestream',
    set: ['groups.viewers.count=3'],
    streams: 3,
    packetsPerSecond: 3 * 180,
  },
  {
    name: 'audio',
    scenario: 'audio-rooms',
    set: ['groups.speakers.count=2', 'groups.listeners.count=3'],
    streams: 6,
    packetsPerSecond: 6 * 50,
  },
  {
    name: 'simulcast that is chosen track by track',
    scenario: 'meeting',
    set: ['groups.people.count=3'],
    streams: 12,
    packetsPerSecond: 6 * 75 + 6 * 50,
  },
  {
    name: 'VP9 with its layers in one stream',
    scenario: 'livestream',
    set: [
      'groups.viewers.count=2',
      'groups.publisher.publish.video={codec: vp9, svc: true, layers: 3, kbps: [100, 300, 600]}',
    ],
    streams: 2,
    packetsPerSecond: 2 * 180,
  },
  {
    name: 'what goes through one port',
    scenario: 'livestream',
    set: ['groups.viewers.count=2', 'server.mux=true'],
    streams: 2,
    packetsPerSecond: 2 * 180,
  },
];

for (const { name, scenario, set, streams, packetsPerSecond } of CASES) {
  test(`${name} reaches everybody whole`, { skip: whySkipped() }, async () => {
    const { load } = await measured(scenario, set);
    assert.equal(load.joins.failed, 0);
    assert.equal(load.streams, streams);
    const share = load.packets.received / load.seconds / packetsPerSecond;
    assert.ok(share > 0.9, `${share} of the packets`);
    assert.equal(load.packets.lost, 0);
    assert.match(load.srtp ?? '', /GCM/);
  });
}
