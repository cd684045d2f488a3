import {
  type AutoParticipantEgress,
  type AutoTrackEgress,
  DirectFileOutput,
  EgressInfo,
  EgressStatus,
  ParticipantEgressRequest,
  ParticipantInfo_Kind,
  type RoomCompositeEgressRequest,
  TrackEgressRequest,
} from '@livekit/protocol';
import type { Logger } from 'pino';
import { StartEgressRequest } from '../gen/rpc_pb.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import type { AutoEgress } from './auto-egress.ts';
import { Background } from './background.ts';
import type { RoomInternal } from './contracts.ts';
import type { Participant } from './participant.ts';

export interface RoomEgressParts {
  readonly egress: AutoEgress;
  readonly room: { readonly name: RoomName; readonly sid: string };
  /** As it is now. */
  readonly internal: () => RoomInternal;
  readonly log: Logger;
}

type Launched = Extract<EgressInfo['request'], { case: 'roomComposite' | 'participant' | 'track' }>;

/**
 * What a room records by itself, as whoever created it asked (livekit-facts 5.4): the room from the start, participants from
 * their first track on, each track.
 */
export class RoomEgress {
  readonly #parts: RoomEgressParts;
  readonly #background: Background;
  /** Tracks that are recorded, or were, by who is in the room and has published. */
  readonly #published = new Map<Identity, Set<string>>();
  #recording: Promise<unknown> | undefined;

  constructor(parts: RoomEgressParts) {
    this.#parts = parts;
    this.#background = new Background(parts.log);
  }

  /** Rejects where no worker takes it. */
  async recordRoom(asked: RoomCompositeEgressRequest): Promise<void> {
    this.#recording = this.#parts.egress.start(this.#internalRequest(this.#roomRequest(asked)));
    await this.#recording;
  }

  /** What became of `recordRoom`, for whoever asks for the room meanwhile. */
  async recorded(): Promise<void> {
    await this.#recording;
  }

  /** Nobody waits for it: whoever joins does not depend on a worker being there. */
  recordRoomLater(asked: RoomCompositeEgressRequest): void {
    this.#launch('launch room egress', this.#roomRequest(asked));
  }

  published({ identity, claims }: Participant, trackSid: string): void {
    const { participantEgress, trackEgress } = this.#parts.internal();
    const former = this.#published.get(identity);
    const tracks = former ?? new Set<string>();
    this.#published.set(identity, tracks);
    const { name } = this.#parts.room;
    if (former === undefined && participantEgress !== undefined) {
      const value = participantRequest(name, identity, participantEgress);
      this.#launch('launch participant egress', { case: 'participant', value });
    }
    if (claims.kind === ParticipantInfo_Kind.EGRESS || trackEgress === undefined || tracks.has(trackSid)) return;
    tracks.add(trackSid);
    this.#launch('launch track egress', { case: 'track', value: trackRequest(name, trackSid, trackEgress) });
  }

  /** Who comes back is recorded again. */
  left(identity: Identity): void {
    this.#published.delete(identity);
  }

  #roomRequest(asked: RoomCompositeEgressRequest): Launched {
    const value = asked.clone();
    value.roomName = this.#parts.room.name;
    return { case: 'roomComposite', value };
  }

  #internalRequest(request: Launched): StartEgressRequest {
    return new StartEgressRequest({ roomId: this.#parts.room.sid, request });
  }

  #launch(what: string, request: Launched): void {
    const { egress, room } = this.#parts;
    this.#background.run(what, async () => {
      try {
        await egress.start(this.#internalRequest(request));
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        const status = EgressStatus.EGRESS_FAILED;
        egress.failed(new EgressInfo({ roomId: room.sid, roomName: room.name, status, error: text, request }));
        throw error;
      }
    });
  }
}

function participantRequest(
  roomName: RoomName,
  identity: Identity,
  { fileOutputs, segmentOutputs, options }: AutoParticipantEgress,
): ParticipantEgressRequest {
  return new ParticipantEgressRequest({ roomName, identity, fileOutputs, segmentOutputs, options });
}

function trackRequest(
  roomName: RoomName,
  trackId: string,
  { filepath, disableManifest, output }: AutoTrackEgress,
): TrackEgressRequest {
  const file = new DirectFileOutput({ filepath: pathOfTrack(filepath), disableManifest, output });
  return new TrackEgressRequest({ roomName, trackId, output: { case: 'file', value: file } });
}

/** Files of several tracks must not have one name; the worker fills in the braces, and names files in folders itself. */
function pathOfTrack(path: string): string {
  if (path === '' || path.endsWith('/') || path.includes('{track_id}')) return path;
  const dot = path.indexOf('.', path.lastIndexOf('/') + 1);
  return dot === -1 ? `${path}-{track_id}` : `${path.slice(0, dot)}-{track_id}${path.slice(dot)}`;
}
