import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddTrackRequest, VideoLayer_Mode, VideoQuality } from '@livekit/protocol';
import { announcementOf, spatialLayer, trackInfo } from './track.ts';

function announced(qualities: VideoQuality[], videoLayerMode = VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM) {
  const layers = qualities.map((quality) => ({ quality }));
  return new AddTrackRequest({ cid: 'cam-0', layers, simulcastCodecs: [{ codec: 'vp9', layers, videoLayerMode }] });
}

const { LOW, MEDIUM, HIGH } = VideoQuality;

test('a quality is the layer that has it, or the next below', () => {
  const three = trackInfo(announced([LOW, MEDIUM, HIGH]));
  assert.deepEqual(
    [LOW, MEDIUM, HIGH].map((quality) => spatialLayer(three, quality)),
    [0, 1, 2],
  );
  const two = trackInfo(announced([MEDIUM, HIGH]));
  assert.deepEqual(
    [LOW, MEDIUM, HIGH].map((quality) => spatialLayer(two, quality)),
    [0, 0, 1],
  );
});

test('an announcement names the codec, and counts layers that are in one stream', () => {
  assert.deepEqual(announcementOf(announced([LOW, MEDIUM, HIGH])), { codec: 'vp9', layers: 1 });
  const svc = announced([LOW, MEDIUM, HIGH], VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM);
  assert.deepEqual(announcementOf(svc), { codec: 'vp9', layers: 3 });
  assert.deepEqual(announcementOf(new AddTrackRequest({ cid: 'mic-0' })), { codec: undefined, layers: 1 });
});
