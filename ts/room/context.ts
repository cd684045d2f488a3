import type { ServerInfo } from '@livekit/protocol';
import type { Logger } from 'pino';
import type { AgentJobs } from '../agent/types.ts';
import type { Claims } from '../auth/grants.ts';
import type { MediaEngine, Placement } from '../media/types.ts';
import type { ConnectionMetrics } from '../metrics/connections.ts';
import type { SessionMetrics } from '../metrics/sessions.ts';
import type { TrackMetrics } from '../metrics/tracks.ts';
import type { Negotiation, NegotiationHost, NegotiationOptions } from '../negotiate/types.ts';
import type { AutoEgress } from './auto-egress.ts';
import type { Clock } from './clock.ts';
import type { RoomConfig } from './config.ts';
import type { DispatchStore, ParticipantStore, RoomOwnership, RoomStore } from './contracts.ts';
import type { Preferences } from './preferences.ts';
import type { Presence } from './presence.ts';

/** Signs a token with these claims, valid for so many seconds from now. */
export type IssueToken = (claims: Claims, ttlSeconds: number) => string;

/** What all rooms of a node share; made by the composition root. */
export interface RoomContext {
  readonly config: RoomConfig;
  readonly clock: Clock;
  readonly engine: MediaEngine;
  readonly placement: Placement;
  readonly preferences: Preferences;
  readonly metrics: ConnectionMetrics;
  readonly sessionMetrics: SessionMetrics;
  readonly trackMetrics: TrackMetrics;
  readonly createNegotiation: (host: NegotiationHost, options: NegotiationOptions) => Negotiation;
  readonly store: {
    readonly rooms: RoomStore;
    readonly participants: ParticipantStore;
    readonly dispatches: DispatchStore;
  };
  readonly agents: AgentJobs;
  readonly egress: AutoEgress;
  readonly presence: Presence;
  readonly ownership: RoomOwnership;
  readonly issueToken: IssueToken;
  /** As join and reconnect responses carry it. */
  readonly serverInfo: ServerInfo;
  readonly log: Logger;
}
