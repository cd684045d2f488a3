import type { AgentDispatches } from './agent-dispatches.ts';
import type { ConnectionQualities } from './connection-quality.ts';
import type { Members } from './members.ts';
import type { ParticipantUpdates } from './participant-updates.ts';
import type { Publication } from './publication.ts';
import type { RoomData } from './room-data.ts';
import type { RoomDataTracks } from './room-data-tracks.ts';
import type { RoomEgress } from './room-egress.ts';
import type { RoomInfo } from './room-info.ts';
import type { RoomPersistence } from './room-persistence.ts';
import type { Roster } from './roster.ts';
import type { Speakers } from './speakers.ts';

/** What a room is made of. */
export interface RoomParts {
  readonly members: Members;
  /** The same as clients see them. */
  readonly roster: Roster;
  /** Published tracks by sid. */
  readonly tracks: Map<string, Publication>;
  readonly info: RoomInfo;
  readonly updates: ParticipantUpdates;
  readonly speakers: Speakers;
  readonly qualities: ConnectionQualities;
  readonly data: RoomData;
  readonly dataTracks: RoomDataTracks;
  readonly dispatches: AgentDispatches;
  readonly egress: RoomEgress;
  readonly persistence: RoomPersistence;
}
