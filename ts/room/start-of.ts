import type { TrackSource, TrackType } from '@livekit/protocol';
import type { StartOf } from '../metrics/tracks.ts';
import type { Participant } from './participant.ts';

/** Whose start of which track it was, as metrics tell them apart. */
export function startOf(
  { client, claims }: Participant,
  { source, type }: { source: TrackSource; type: TrackType },
): Omit<StartOf, 'took'> {
  return { track: { source, type }, sdk: client.sdk, kind: claims.kind };
}
