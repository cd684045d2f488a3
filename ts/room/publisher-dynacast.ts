import {
  SubscribedCodec,
  SubscribedQuality,
  SubscribedQualityUpdate,
  type TrackInfo,
  VideoQuality,
} from '@livekit/protocol';
import type { Clock } from './clock.ts';
import { type CodecDemand, Dynacast } from './dynacast.ts';
import type { Outbox } from './outbox.ts';

/** Dynacast of one track, told to its publisher as `subscribed_quality_update`. */
export function publisherDynacast(clock: Clock, pauseDelayMs: number, track: TrackInfo, outbox: Outbox): Dynacast {
  const { sid, muted } = track;
  return new Dynacast(clock, pauseDelayMs, muted, (demands) => {
    outbox.send({ case: 'subscribedQualityUpdate', value: updateOf(sid, demands) });
  });
}

function updateOf(trackSid: string, demands: readonly CodecDemand[]): SubscribedQualityUpdate {
  const subscribedCodecs = demands.map(
    ({ codec, quality }) => new SubscribedCodec({ codec, qualities: qualitiesUpTo(quality) }),
  );
  // Clients that know one codec only read the qualities of the first.
  const subscribedQualities = subscribedCodecs[0]?.qualities ?? [];
  return new SubscribedQualityUpdate({ trackSid, subscribedCodecs, subscribedQualities });
}

function qualitiesUpTo(best: VideoQuality): SubscribedQuality[] {
  return [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH].map(
    (quality) => new SubscribedQuality({ quality, enabled: best !== VideoQuality.OFF && quality <= best }),
  );
}
