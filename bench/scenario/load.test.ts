import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadScenario, readScenario, ScenarioError, scenarioNames } from './load.ts';
import { loadRequest } from './request.ts';
import { participants } from './schema.ts';

const SMALL = `
description: two people
headline: [cpuPerPacket]
groups:
  people: { count: 2, publish: { audio: { kbps: 32 } } }
join: { atOnce: 1 }
`;

function complaint(text: string, overrides: string[] = []): string {
  try {
    readScenario('small', text, overrides);
  } catch (error) {
    assert.ok(error instanceof ScenarioError);
    return error.message;
  }
  return assert.fail('nothing to complain about');
}

describe('every scenario that comes with the benchmarks', () => {
  for (const name of scenarioNames()) {
    test(name, () => {
      const scenario = loadScenario(name);
      assert.ok(participants(scenario) > 1);
      assert.ok(scenario.description.length < 80, 'the description fits on a line');
    });
  }
});

test('what is not said has a default', () => {
  const { seconds, warmupSeconds, server, groups } = readScenario('small', SMALL);
  assert.deepEqual(
    { seconds, warmupSeconds, server, people: groups.people },
    {
      seconds: 15,
      warmupSeconds: 3,
      server: { workers: 1, sendSideBwe: false, mux: false, metrics: false, maxFlushMs: 0, blockMs: 0 },
      people: { count: 2, publish: { audio: { kbps: 32, dtx: false, packetMs: 20 } }, subscribe: true },
    },
  );
});

test('a key that does not exist is named with its path', () => {
  assert.equal(
    complaint(SMALL.replace('kbps: 32', 'kbit: 32, kbps: 32')),
    'small: unknown key groups.people.publish.audio.kbit',
  );
});

test('a value that cannot be is named with its path', () => {
  assert.match(complaint(SMALL, ['groups.people.count=-1']), /^small: groups\.people\.count: .*>=0/);
  assert.match(complaint(SMALL, ['join.atOnce=0']), /^small: join\.atOnce: /);
  assert.match(complaint(SMALL, ['headline=[cpuPerPackage]']), /^small: headline\.0: /);
});

test('of two ways to join only one is taken', () => {
  assert.match(complaint(SMALL, ['join.perSecond=5']), /^small: unknown key join\./);
  assert.deepEqual(readScenario('small', SMALL, ['join={perSecond: 5}']).join, { perSecond: 5 });
});

test('what was set wins over the file', () => {
  const scenario = readScenario('small', SMALL, ['groups.people.count=7', 'server.mux=true', 'slow=null']);
  assert.equal(scenario.groups.people?.count, 7);
  assert.equal(scenario.server.mux, true);
});

test('a group that is not there is not made by accident', () => {
  assert.equal(
    complaint(SMALL, ['groups.poeple.count=3']),
    '--set groups.poeple: there is no such group; there is people',
  );
  assert.equal(readScenario('small', SMALL, ['groups.more={count: 3}']).groups.more?.count, 3);
});

test('what is set without a value is refused', () => {
  assert.match(complaint(SMALL, ['groups.people.count']), /^--set groups\.people\.count: expected key=value/);
});

test('layers and rates that do not fit each other are refused', () => {
  const video = 'groups.people.publish.video={layers: 3, kbps: [100, 200]}';
  assert.equal(complaint(SMALL, [video]), 'small: groups.people.publish.video.kbps: 2 rates for 3 layers');
});

test('a slow group has to be there', () => {
  assert.match(complaint(SMALL, ['slow={group: viewers, count: 1, rateKbps: 300}']), /there is no group viewers/);
  assert.match(complaint(SMALL, ['slow={group: people, count: 3, rateKbps: 300}']), /has only 2/);
});

test('a scenario that nobody knows suggests one that is near', () => {
  assert.throws(() => loadScenario('livestrem'), /did you mean livestream\?/);
});

test('a request lists the groups that anybody is in, by name', () => {
  const scenario = readScenario('small', SMALL, ['groups.empty={count: 0}', 'rooms=3']);
  const target = { kind: 'livekit', url: 'ws://127.0.0.1:7880', apiKey: 'key', apiSecret: 'secret' } as const;
  const request = loadRequest(scenario, target);
  assert.deepEqual(request.scenario, {
    name: 'small',
    rooms: 3,
    groups: [
      {
        name: 'people',
        count: 2,
        publish: { audio: { kbps: 32, dtx: false, packetMs: 20 } },
        subscribe: true,
      },
    ],
    join: { atOnce: 1 },
    churn: null,
    layerSwitch: null,
    hands: null,
    slow: null,
  });
  assert.deepEqual(Object.keys(request), [
    'target',
    'seed',
    'threads',
    'seconds',
    'warmupSeconds',
    'singlePeerConnection',
    'scenario',
  ]);
});
