import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type PlanFlags, printPlan, readOptions } from './command.ts';
import { machinesFor } from './pack.ts';
import { plan, RoomTooLarge } from './plan.ts';
import type { Profile } from './profile.ts';
import { trafficOf } from './traffic.ts';
import { parseWorkload } from './workload.ts';

const figure = (median: number) => ({ median, low: median * 0.8, high: median * 1.25 });
const PROFILE: Profile = {
  machine: 'of the test',
  version: '1.2.3',
  measuredAt: '2026-11-23',
  cores: 8,
  memoryMb: 16_384,
  videoUs: figure(2),
  audioUs: figure(2),
  joinMs: figure(5),
  baseMb: 100,
  participantKb: figure(200),
  kneeShare: 0.8,
};

function planned(words: string, flags: PlanFlags = {}) {
  return plan(parseWorkload(words), PROFILE, readOptions(flags, PROFILE));
}

describe('workloads in words', () => {
  test('rooms of people who all publish, and viewers of one stream', () => {
    const { kinds, regions } = parseWorkload('40 rooms x 8 people 720p + 500 viewers, 2 regions');
    assert.equal(regions, 2);
    assert.deepEqual(
      kinds.map(({ rooms, publishers, viewers, lines, video }) => ({ rooms, publishers, viewers, lines, video })),
      [
        { rooms: 40, publishers: 8, viewers: 0, lines: 720, video: true },
        { rooms: 1, publishers: 1, viewers: 500, lines: 720, video: true },
      ],
    );
  });

  test('a codec in a clause of its own is that of all', () => {
    const { kinds } = parseWorkload('2 calls of 2 people, 3 webinars with 2 presenters and 1k viewers av1; vp9');
    assert.deepEqual(
      kinds.map(({ codec, viewers }) => [codec, viewers]),
      [
        ['vp9', 0],
        ['av1', 1000],
      ],
    );
  });

  test('audio rooms in which some speak', () => {
    const [kind] = parseWorkload('20 audio rooms x 30 people (5 speakers)').kinds;
    assert.deepEqual([kind?.video, kind?.publishers, kind?.viewers, kind?.speaking], [false, 5, 25, 5]);
  });

  for (const [words, complaint] of [
    ['', /no rooms/],
    ['40 rooms', /nobody in them/],
    ['40 rooms x 8', /8 of what\?/],
    ['40 zooms x 8 people', /"zooms"/],
    ['4 rooms 8 people 700p', /"700p" is no picture size/],
    ['0 rooms of 2 people', /"0" is not between/],
    ['4 rooms of 8 people and 3 livestreams', /second count .* by \+/],
    ['1 room with 2 people and 1 host', /presenters and viewers/],
  ] as const) {
    test(`"${words}" is refused`, () => assert.throws(() => parseWorkload(words), { message: complaint }));
  }
});

describe('traffic', () => {
  test('of one stream with viewers is that of its top layer and its microphone, times the viewers', () => {
    const [kind] = parseWorkload('100 viewers').kinds;
    assert.ok(kind);
    const { videoOut, videoIn, audioOut, tracksIn, tracksOut } = trafficOf(kind, 'speaker');
    // 1.7 Mbit/s in 30 frames are 7 packets each.
    assert.equal(videoOut.packets, 7 * 30 * 100);
    assert.equal(audioOut.packets, 50 * 100);
    assert.deepEqual([tracksIn, tracksOut], [2, 200]);
    assert.ok(videoIn.bits > 2_310_000 && videoIn.bits < 2_700_000, 'all three layers come in');
  });

  test('of a meeting by speaker is one large picture for each', () => {
    const [kind] = parseWorkload('1 meeting of 5 people').kinds;
    assert.ok(kind);
    const [speaker, grid] = [trafficOf(kind, 'speaker'), trafficOf(kind, 'grid')];
    assert.equal(speaker.videoOut.packets, 5 * (7 * 30 + 3 * 20));
    assert.equal(grid.videoOut.packets, 5 * 4 * 2 * 30);
    // Two speak, and are heard by four; three are silent.
    assert.equal(speaker.audioOut.packets, 2 * 4 * 50 + 3 * 4 * 2.5);
  });
});

describe('plans', () => {
  test('twice the rooms need twice the machines', () => {
    const [once, twice] = [planned('1000 rooms x 8 people'), planned('2000 rooms x 8 people')];
    assert.ok(once.nodes.likely > 3);
    assert.ok(Math.abs(twice.nodes.likely - 2 * once.nodes.likely) <= 1);
    assert.ok(once.nodes.low <= once.nodes.likely && once.nodes.likely <= once.nodes.high);
  });

  test('what runs out first is named', () => {
    assert.equal(planned('2000 viewers', { gbit: '100', udpPorts: '0', cores: '4' }).bottleneck, 'cpu');
    assert.equal(planned('2000 viewers', { gbit: '6', udpPorts: '0', cores: '64' }).bottleneck, 'network out');
    assert.equal(planned('1000 audio rooms x 6 people', { cores: '64' }).bottleneck, 'udp ports');
    const crowd = { cores: '64', memory: '1', udpPorts: '0', files: '1000000' };
    assert.equal(planned('100 audio rooms x 20 people (1 speaker)', crowd).bottleneck, 'memory');
  });

  test('a room that no machine can hold is refused by size and resource', () => {
    assert.throws(
      () => planned('1 livestream with 20k viewers', { udpPorts: '0' }),
      (error) => {
        return error instanceof RoomTooLarge && /20000 who only watch.*network out|cpu/.test(error.message);
      },
    );
  });

  test('each region has machines of its own', () => {
    const { nodes, nodesPerRegion } = planned('2 rooms x 4 people, 5 regions');
    assert.deepEqual([nodes.likely, nodesPerRegion], [5, 1]);
  });

  test('limits leave what headroom was planned', () => {
    const { limits, nodes } = planned('100 rooms x 4 people', { headroom: '50' });
    assert.equal(nodes.likely, 1);
    assert.equal(limits.numTracks, 2 * 100 * (4 * 2 + 4 * 3 * 2));
  });

  test('rooms of several sizes fill the gaps that others left', () => {
    const capacity = {
      cpu: 10,
      memory: 1e9,
      'network out': 1e9,
      'network in': 1e9,
      'udp ports': 1e9,
      'file descriptors': 1e9,
    };
    const item = (count: number, cpu: number) => ({
      count,
      demand: { cpu, memory: 0, 'network out': 0, 'network in': 0, 'udp ports': 0, 'file descriptors': 0 },
    });
    assert.equal(machinesFor([item(3, 6), item(4, 3)], capacity), 4);
    assert.equal(machinesFor([item(3, 6), item(3, 4)], capacity), 3);
    assert.equal(machinesFor([item(100_000, 0.1)], capacity), 1_000);
    assert.equal(machinesFor([item(1, 11)], capacity), undefined);
  });
});

describe('sluice plan', () => {
  test('prints machines, bandwidth, bottleneck and limits', () => {
    const printed: string[] = [];
    printPlan('40 rooms x 8 people 720p + 500 viewers', {}, (line) => printed.push(line));
    const text = printed.join('\n');
    for (const part of [/^nodes +\d+/m, /TB per day/, /^bottleneck +cpu/m, /num_tracks: \d+/, /bytes_per_sec: \d+/]) {
      assert.match(text, part);
    }
  });

  test('prints one JSON object', () => {
    const printed: string[] = [];
    printPlan('500 viewers', { json: true }, (line) => printed.push(line));
    assert.equal(printed.length, 1);
    assert.ok(JSON.parse(printed[0] ?? '').plan.nodes.likely >= 1);
  });

  test('a wrong flag or profile is named', () => {
    const refuse = (flags: PlanFlags, message: RegExp) =>
      assert.throws(() => printPlan('5 viewers', flags, () => {}), { message });
    refuse({ headroom: '99' }, /--headroom "99"/);
    refuse({ joinSeconds: 'x' }, /--join-seconds "x"/);
    refuse({ layout: 'wall' }, /--layout "wall"/);
    const file = join(mkdtempSync(join(tmpdir(), 'sluice-plan-')), 'profile.json');
    refuse({ profile: file }, /profile .*ENOENT/);
    writeFileSync(file, JSON.stringify({ ...PROFILE, videoUs: { median: 1, low: 2, high: 3 } }));
    refuse({ profile: file }, /videoUs: low ≤ median/);
    writeFileSync(file, JSON.stringify({ ...PROFILE, cors: 3 }));
    refuse({ profile: file }, /cors/);
  });
});
