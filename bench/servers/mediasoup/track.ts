/** A published track. */

import { type AddTrackRequest, TrackInfo, TrackType, VideoLayer_Mode, type VideoQuality } from '@livekit/protocol';
import type { Kind, Producer } from './api.ts';
import type { Announcement } from './sending-section.ts';
import { sid } from './sid.ts';

export interface Track {
  readonly info: TrackInfo;
  readonly kind: Kind;
  /** The participant's SID. */
  readonly publisher: string;
  readonly producer: Producer;
}

export function trackInfo(request: AddTrackRequest): TrackInfo {
  const { type, name, source, width, height, layers } = request;
  return new TrackInfo({ sid: sid('TR'), type, name, source, width, height, layers, simulcast: layers.length > 1 });
}

export function kindOf({ type }: TrackInfo): Kind {
  return type === TrackType.AUDIO ? 'audio' : 'video';
}

/** What is to be known of its stream. */
export function announcementOf({ layers, simulcastCodecs }: AddTrackRequest): Announcement {
  const [first] = simulcastCodecs;
  const svc = first?.videoLayerMode === VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM;
  return { codec: first?.codec.toLowerCase(), layers: svc ? layers.length : 1 };
}

/** mediasoup's number of the layer of this quality, or of the next below. */
export function spatialLayer({ layers }: TrackInfo, quality: VideoQuality): number {
  const below = layers.filter((layer) => layer.quality <= quality);
  return Math.max(0, below.length - 1);
}
