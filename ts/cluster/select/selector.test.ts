import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeId } from '../../lib/ids.ts';
import { noRate, noStats } from '../node-record.ts';
import type { ClusterNode, NodeStats } from '../types.ts';
import { isFull } from './load.ts';
import { distancesFrom } from './regions.ts';
import { NodeSelector } from './selector.ts';
import type { SelectorSettings, SortBy } from './settings.ts';

const DEFAULTS: SelectorSettings = {
  kind: 'any',
  sortBy: 'random',
  algorithm: 'lowest',
  cpuLoadLimit: 0.9,
  sysloadLimit: 0.9,
  regions: [],
  region: '',
};
const REGIONS = [
  { name: 'us-west', lat: 37.64, lon: -120.97 },
  { name: 'us-east', lat: 40.68, lon: -74.03 },
  { name: 'eu', lat: 50.11, lon: 8.68 },
];

function node(id: string, stats: Partial<NodeStats> = {}, region = ''): ClusterNode {
  return { id: id as NodeId, ip: '', region, state: 'serving', stats: { ...noStats(), numCpus: 2, ...stats } };
}

function pick(settings: Partial<SelectorSettings>, nodes: ClusterNode[], random = () => 0): string {
  return new NodeSelector({ ...DEFAULTS, ...settings }, random).select(nodes).id;
}

function busy(share: number): Partial<NodeStats> {
  return {
    loadAvgLast1min: share * 2,
    cpuLoad: share,
    numRooms: share * 100,
    numClients: share * 100,
    numTracksIn: share * 100,
    rates: [{ ...noRate(), bytesIn: share * 100, bytesOut: share * 100 }],
  };
}

describe('selectors', () => {
  it('without nodes there is none to choose', () => {
    assert.throws(() => pick({}, []), { code: 'unavailable', message: 'could not find any available nodes' });
  });

  it('every figure chooses the node that has least of it', () => {
    const nodes = [node('high', busy(0.8)), node('low', busy(0.1)), node('middle', busy(0.4))];
    const figures: SortBy[] = ['sysload', 'cpuload', 'rooms', 'clients', 'tracks', 'bytespersec'];
    for (const sortBy of figures) assert.equal(pick({ sortBy }, nodes), 'low', sortBy);
  });

  it('random takes each', () => {
    const nodes = [node('a'), node('b')];
    assert.deepEqual(
      [0, 0.49, 0.5, 0.99].map((drawn) => pick({ kind: 'random' }, nodes, () => drawn)),
      ['a', 'a', 'b', 'b'],
    );
  });

  it('the better of two choices is not always the best of all', () => {
    const nodes = [node('high', busy(0.8)), node('middle', busy(0.4)), node('low', busy(0.1))];
    assert.equal(
      pick({ sortBy: 'rooms', algorithm: 'twochoice' }, nodes, () => 0),
      'middle',
    );
  });

  it('loaded nodes are left out while there are others', () => {
    const nodes = [node('full', { ...busy(0.95), numRooms: 0 }), node('idle', { ...busy(0.1), numRooms: 9 })];
    for (const kind of ['cpuload', 'sysload'] as const) {
      assert.equal(pick({ kind, sortBy: 'rooms' }, nodes), 'idle', kind);
      assert.equal(pick({ kind, sortBy: 'rooms' }, nodes.slice(0, 1)), 'full', kind);
    }
    assert.equal(pick({ sortBy: 'rooms' }, nodes), 'full', 'any looks at no limit');
  });

  it('regions are told apart by how far they are', () => {
    const nodes = [node('west', {}, 'us-west'), node('europe', {}, 'eu')];
    const settings = { kind: 'regionaware' as const, regions: REGIONS };
    assert.equal(pick({ ...settings, region: 'us-east' }, nodes), 'west');
    assert.equal(pick({ ...settings, region: 'eu' }, nodes), 'europe');
    assert.equal(pick({ ...settings, region: 'eu' }, [node('elsewhere', {}, 'mars')]), 'elsewhere');
  });

  it('a region that is not known can’t be chosen by', () => {
    assert.throws(() => distancesFrom('', REGIONS), /current region cannot be blank/);
    assert.throws(() => distancesFrom('mars', REGIONS), /unknown lat and lon for the current region/);
    const metres = distancesFrom('us-east', REGIONS).get('eu') ?? 0;
    assert.ok(Math.abs(metres - 6_200_000) < 100_000, `${metres}`);
  });
});

describe('limits', () => {
  it('count tracks and bytes both ways, and none where they are 0 or less', () => {
    const { stats } = node('a', {
      numTracksIn: 3,
      numTracksOut: 2,
      rates: [{ ...noRate(), bytesIn: 60, bytesOut: 40 }],
    });
    const full = (numTracks: number, bytesPerSec: number) => isFull(stats, { numTracks, bytesPerSec });
    assert.deepEqual(
      [full(5, 0), full(6, 0), full(0, 100), full(0, 101), full(-1, -1)],
      [true, false, true, false, false],
    );
  });
});
