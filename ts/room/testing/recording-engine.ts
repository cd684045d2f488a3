import type {
  Command,
  DownTrackId,
  MediaParticipantId,
  MediaRoomId,
  PeerId,
  Query,
  UpTrackId,
  WorkerId,
} from '../../media/commands.ts';
import type { Answer, DataEvent } from '../../media/events.ts';
import type { MediaEngine, UpTrackHandler } from '../../media/types.ts';

/** A media plane that remembers what it was told and reports what a test tells it to. */
export class RecordingEngine implements MediaEngine {
  readonly workers = 2;
  readonly fingerprint = { algorithm: 'sha-256', value: '00' };
  readonly commands: { worker: WorkerId; command: Command }[] = [];
  readonly upTracks = new Map<UpTrackId, UpTrackHandler>();
  readonly roomData = new Map<MediaRoomId, (event: DataEvent) => void>();
  /** What `dataSequence` answers. */
  dataSequence = 0;
  #nextId = 1;

  send(worker: WorkerId, command: Command): void {
    this.commands.push({ worker, command });
  }

  of<Type extends Command['type']>(type: Type): Extract<Command, { type: Type }>[] {
    return this.commands.flatMap(({ command }) =>
      command.type === type ? [command as Extract<Command, { type: Type }>] : [],
    );
  }

  async query<Q extends Query>(_worker: WorkerId, query: Q): Promise<Extract<Answer, { type: Q['type'] }>> {
    if (query.type !== 'dataSequence') throw new Error('not scripted');
    const answer: Answer = { type: 'dataSequence', sequence: this.dataSequence };
    return answer as Extract<Answer, { type: Q['type'] }>;
  }

  onPeer(): void {}
  onDownTrack(): void {}

  onUpTrack(track: UpTrackId, handler: UpTrackHandler | undefined): void {
    if (handler === undefined) this.upTracks.delete(track);
    else this.upTracks.set(track, handler);
  }

  onRoomData(room: MediaRoomId, handler: ((event: DataEvent) => void) | undefined): void {
    if (handler === undefined) this.roomData.delete(room);
    else this.roomData.set(room, handler);
  }

  nextPeer = (): PeerId => this.#next<PeerId>();
  nextUpTrack = (): UpTrackId => this.#next<UpTrackId>();
  nextDownTrack = (): DownTrackId => this.#next<DownTrackId>();
  nextParticipant = (): MediaParticipantId => this.#next<MediaParticipantId>();
  nextRoom = (): MediaRoomId => this.#next<MediaRoomId>();

  async close(): Promise<void> {}

  #next<Id extends number>(): Id {
    return this.#nextId++ as Id;
  }
}
