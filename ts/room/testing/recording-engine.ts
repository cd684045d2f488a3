import type { MediaRoomId, Query, UpTrackId, WorkerId } from '../../media/commands.ts';
import type { Answer, DataEvent } from '../../media/events.ts';
import { RecordingEngine as Recorder } from '../../media/testing/recording-engine.ts';
import type { UpTrackHandler } from '../../media/types.ts';

/** A recorder that also reports what a test tells it to about tracks and data. */
export class RecordingEngine extends Recorder {
  readonly upTracks = new Map<UpTrackId, UpTrackHandler>();
  readonly roomData = new Map<MediaRoomId, (event: DataEvent) => void>();
  /** What `dataSequence` answers. */
  dataSequence = 0;

  override async query<Q extends Query>(_worker: WorkerId, query: Q): Promise<Extract<Answer, { type: Q['type'] }>> {
    if (query.type !== 'dataSequence') throw new Error('not scripted');
    const answer: Answer = { type: 'dataSequence', sequence: this.dataSequence };
    return answer as Extract<Answer, { type: Q['type'] }>;
  }

  override onUpTrack(track: UpTrackId, handler: UpTrackHandler | undefined): void {
    if (handler === undefined) this.upTracks.delete(track);
    else this.upTracks.set(track, handler);
  }

  override onRoomData(room: MediaRoomId, handler: ((event: DataEvent) => void) | undefined): void {
    if (handler === undefined) this.roomData.delete(room);
    else this.roomData.set(room, handler);
  }
}
