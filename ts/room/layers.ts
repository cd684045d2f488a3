/**
 * Qualities, spatial layers and rids of one published track (livekit-facts 4.10): with two published qualities the
 * spatial indexes close up, so that LOW and HIGH are layers 0 and 1.
 */

import { type TrackInfo, type VideoLayer, VideoQuality } from '@livekit/protocol';
import { sameMime } from './mime.ts';

/** Layers of the track in that codec: the codec's own or, without such, the track's. */
export function layersOf(info: TrackInfo, mime: string): VideoLayer[] {
  const own = info.codecs.find((codec) => sameMime(codec.mimeType, mime))?.layers ?? [];
  return own.length > 0 ? own : info.layers;
}

/** The spatial layer to send for a quality; the best published one where the quality is above it. */
export function spatialOfQuality(info: TrackInfo, mime: string, quality: VideoQuality): number {
  if (quality === VideoQuality.OFF) return -1;
  const published = publishedQualities(info, mime);
  if (published.length === 0) return quality;
  if (published.length === 1) return 0;
  const index = published.findIndex((candidate) => candidate >= quality);
  return index < 0 ? published.length - 1 : index;
}

/** The quality a spatial layer stands for; the best published one where there is no such layer. */
export function qualityOfSpatial(info: TrackInfo, mime: string, spatial: number): VideoQuality {
  if (spatial < 0) return VideoQuality.OFF;
  const published = publishedQualities(info, mime);
  if (published.length === 0) return QUALITIES[spatial] ?? VideoQuality.OFF;
  return published[spatial] ?? published[published.length - 1] ?? VideoQuality.HIGH;
}

/** Fills `spatial_layer` and `rid` of layers from their qualities. */
export function numberLayers(info: TrackInfo, mime: string, layers: VideoLayer[], rids: readonly string[]): void {
  for (const layer of layers) {
    const spatial = Math.max(0, spatialOfQuality(info, mime, layer.quality));
    layer.spatialLayer = spatial;
    layer.rid = rids[spatial] ?? '';
  }
}

/** The lowest spatial layer whose size still satisfies the size a client shows the video at. */
export function spatialForSize(
  info: TrackInfo,
  mime: string,
  shown: { width: number; height: number },
  measured: readonly { width: number; height: number }[],
): number {
  const best = spatialOfQuality(info, mime, VideoQuality.HIGH);
  if (info.height === 0 && measured.length === 0) return best;
  let heights = layersOf(info, mime).map((layer) => layer.height);
  if ((heights.length === 0 || heights[0] === 0) && measured.length > 0) {
    heights = measured.map((size) => size.height);
  }
  if (heights.length > 0) return smallestSatisfying(heights, shown.height);
  const portrait = info.width < info.height;
  const full = portrait ? info.width : info.height;
  const quality = smallestSatisfying([...USUAL_SIZES, full], portrait ? shown.width : shown.height);
  return spatialOfQuality(info, mime, quality);
}

/** Index of the first size that is large enough, the last of equal ones; the largest where none is. */
function smallestSatisfying(unsorted: readonly number[], shown: number): number {
  const sizes = unsorted.toSorted((a, b) => a - b);
  const wanted = Math.floor(shown * TOLERANCE);
  const index = sizes.findIndex((size, at) => size >= wanted && size !== sizes[at + 1]);
  return index < 0 ? sizes.length - 1 : index;
}

/** Distinct published qualities, lowest first. */
function publishedQualities(info: TrackInfo, mime: string): VideoQuality[] {
  const layers = layersOf(info, mime);
  return QUALITIES.filter((quality) => layers.some((layer) => layer.quality === quality));
}

const QUALITIES = [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH];
/** Heights of the lower qualities of a track that names no layers. */
const USUAL_SIZES = [180, 360];
/** A layer this much smaller than shown is still taken. */
const TOLERANCE = 0.9;
