/** What a node says of its load to the others, from what rooms and workers count. Pure. */

import type { NodeLoad } from './cluster/node.ts';
import type { JoinCounts } from './metrics/sessions.ts';
import type { TrackCounts } from './metrics/tracks.ts';
import type { RoomTotals } from './room/rooms.ts';

export interface CountedLoad {
  readonly rooms: RoomTotals;
  readonly joins: JoinCounts;
  readonly tracks: TrackCounts;
  /** Of all workers, by name. */
  readonly workers: readonly (readonly [string, number])[];
}

export function nodeLoad({ rooms, joins, tracks, workers }: CountedLoad): NodeLoad {
  const counted = new Map<string, number>();
  for (const [name, value] of workers) counted.set(name, (counted.get(name) ?? 0) + value);
  const of = (name: string) => counted.get(name) ?? 0;
  const forwarded = Math.max(1, of('forward_ns_count'));
  const mean = of('forward_ns_sum') / forwarded;
  const squares = (of('forward_us_squares') * 1e6) / forwarded;
  return {
    numRooms: rooms.rooms,
    numClients: rooms.participants,
    numTracksIn: rooms.tracksPublished,
    numTracksOut: rooms.tracksSubscribed,
    numTrackPublishAttempts: tracks.publishAttempts,
    numTrackPublishSuccess: tracks.publishSuccess,
    numTrackPublishCancels: tracks.publishCancels,
    numTrackSubscribeAttempts: tracks.subscribeAttempts,
    numTrackSubscribeSuccess: tracks.subscribeSuccess,
    numTrackSubscribeCancels: tracks.subscribeCancels,
    participantSignalConnected: joins.signalConnected,
    participantRtcInit: joins.rtcInit,
    participantRtcConnected: joins.rtcConnected,
    participantRtcActive: joins.rtcActive,
    participantRtcCanceled: joins.rtcCanceled,
    bytesIn: of('bytes_in'),
    bytesOut: of('bytes_out'),
    packetsIn: of('packets_in'),
    packetsOut: of('packets_out'),
    nackTotal: of('nack_in') + of('nack_out'),
    retransmitBytesOut: of('rtx_bytes_out'),
    retransmitPacketsOut: of('rtx_out'),
    // In nanoseconds, as livekit-server has it.
    forwardLatency: Math.round(mean),
    forwardJitter: Math.round(Math.sqrt(Math.max(0, squares - mean ** 2))),
  };
}
