/** What a subscriber asked for of a track, and the layers that follow from it (livekit-facts 3.9, 4.10). */

import { type UpdateTrackSettings, VideoQuality } from '@livekit/protocol';
import type { Codec, DownTrackWish } from '../media/commands.ts';
import { spatialForSize, spatialOfQuality } from './layers.ts';
import { mimeOfCodec } from './mime.ts';
import type { Publication } from './publication.ts';

export interface TrackSettings {
  disabled: boolean;
  quality: VideoQuality;
  /** 0 leaves it to `quality`. */
  width: number;
  height: number;
  /** 0 for no limit. */
  fps: number;
}

/** Until a client tells: an adaptive stream starts low and grows with what is visible. */
export function defaultSettings(adaptiveStream: boolean): TrackSettings {
  const quality = adaptiveStream ? VideoQuality.LOW : VideoQuality.HIGH;
  return { disabled: false, quality, width: 0, height: 0, fps: 0 };
}

export function settingsOf(request: UpdateTrackSettings): TrackSettings {
  const { disabled, quality, width, height, fps } = request;
  return { disabled, quality, width, height, fps };
}

export function sameSettings(a: TrackSettings, b: TrackSettings): boolean {
  return (
    a.disabled === b.disabled &&
    a.quality === b.quality &&
    a.width === b.width &&
    a.height === b.height &&
    a.fps === b.fps
  );
}

/** What to ask of the media plane for a subscription in this codec. */
export function wishOf(settings: TrackSettings, publication: Publication, codec: Codec): DownTrackWish {
  const enabled = !settings.disabled;
  if (!publication.isVideo) return { enabled, maxSpatial: MAX_SPATIAL, maxTemporal: MAX_TEMPORAL, maxFps: 0 };
  const mime = mimeOfCodec(codec);
  const { info } = publication;
  const spatial =
    settings.width > 0
      ? spatialForSize(info, mime, settings, publication.measuredSizes(codec))
      : spatialOfQuality(info, mime, settings.quality);
  return {
    enabled: enabled && spatial >= 0,
    maxSpatial: Math.min(Math.max(spatial, 0), MAX_SPATIAL),
    maxTemporal: MAX_TEMPORAL,
    maxFps: Math.min(settings.fps, MAX_FPS),
  };
}

const MAX_SPATIAL = 2;
const MAX_TEMPORAL = 3;
const MAX_FPS = 255;
