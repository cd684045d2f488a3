import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrackInfo, VideoLayer, VideoQuality } from '@livekit/protocol';
import { numberLayers, qualityOfSpatial, spatialForSize, spatialOfQuality } from './layers.ts';

const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;
const MIME = 'video/vp8';
const HEIGHTS: Record<number, number> = { [LOW]: 180, [MEDIUM]: 360, [HIGH]: 720 };

function track(...qualities: VideoQuality[]): TrackInfo {
  const layers = qualities.map((quality) => {
    const height = HEIGHTS[quality] ?? 0;
    return new VideoLayer({ quality, height, width: (height * 16) / 9 });
  });
  return new TrackInfo({ width: 1280, height: 720, layers });
}

test('spatial layers close up over the published qualities', () => {
  const cases: [VideoQuality[], number[]][] = [
    [
      [LOW, MEDIUM, HIGH],
      [0, 1, 2],
    ],
    [
      [LOW, HIGH],
      [0, 1, 1],
    ],
    [
      [MEDIUM, HIGH],
      [0, 0, 1],
    ],
    [
      [LOW, MEDIUM],
      [0, 1, 1],
    ],
    [[HIGH], [0, 0, 0]],
  ];
  for (const [published, expected] of cases) {
    const info = track(...published);
    assert.deepEqual(
      [LOW, MEDIUM, HIGH].map((quality) => spatialOfQuality(info, MIME, quality)),
      expected,
      published.join(),
    );
  }
  assert.equal(spatialOfQuality(track(LOW), MIME, OFF), -1);
});

test('a spatial layer stands for the quality published in its place', () => {
  assert.equal(qualityOfSpatial(track(LOW, HIGH), MIME, 1), HIGH);
  assert.equal(qualityOfSpatial(track(MEDIUM, HIGH), MIME, 0), MEDIUM);
  assert.equal(qualityOfSpatial(track(LOW), MIME, 2), LOW);
  assert.equal(qualityOfSpatial(track(), MIME, 1), MEDIUM);
  assert.equal(qualityOfSpatial(track(LOW), MIME, -1), OFF);
});

test('layers are numbered and get the rid of their place', () => {
  const info = track(LOW, HIGH);
  numberLayers(info, MIME, info.layers, ['q', 'h']);
  assert.deepEqual(
    info.layers.map(({ rid, spatialLayer }) => [rid, spatialLayer]),
    [
      ['q', 0],
      ['h', 1],
    ],
  );
});

test('a size takes the lowest layer that is no more than a tenth too small', () => {
  const info = track(LOW, MEDIUM, HIGH);
  const layerFor = (height: number): number => spatialForSize(info, MIME, { width: 1, height }, []);
  assert.deepEqual([100, 180, 200, 202, 360, 400, 402, 2000].map(layerFor), [0, 0, 0, 1, 1, 1, 2, 2]);
});

test('measured sizes serve where the publisher named none', () => {
  const unnamed = new TrackInfo({ layers: [new VideoLayer({ quality: LOW }), new VideoLayer({ quality: HIGH })] });
  const measured = [
    { width: 320, height: 180 },
    { width: 1280, height: 720 },
  ];
  assert.equal(spatialForSize(unnamed, MIME, { width: 320, height: 180 }, measured), 0);
  assert.equal(spatialForSize(unnamed, MIME, { width: 800, height: 450 }, measured), 1);
  assert.equal(spatialForSize(unnamed, MIME, { width: 10, height: 10 }, []), 1);
});

test('portrait video is measured by its width', () => {
  const portrait = new TrackInfo({ width: 720, height: 1280 });
  assert.equal(spatialForSize(portrait, MIME, { width: 180, height: 320 }, []), 0);
  assert.equal(spatialForSize(portrait, MIME, { width: 720, height: 1280 }, []), 2);
});
