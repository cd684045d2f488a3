/** Sessions of rooms on other nodes, over `Signal.RelaySignal` (livekit-facts 7.3). */

import type { Link } from '../cluster/keyspace.ts';
import type { NodeId } from '../lib/ids.ts';
import type { RpcClient } from '../psrpc/client.ts';
import type { RpcLog } from '../psrpc/log.ts';
import { Signal } from '../psrpc/services.ts';
import type { Clock } from '../room/clock.ts';
import type { JoinParams, SessionHost, SignalSession, SignalSink } from '../signal/types.ts';
import type { RelayFigures } from './figures.ts';
import { RelayedSession } from './relayed-session.ts';
import type { RelaySettings } from './settings.ts';

export interface RelayParts {
  /** The room's node. */
  readonly node: NodeId;
  readonly client: RpcClient;
  readonly settings: RelaySettings;
  readonly link: Link;
  readonly clock: Clock;
  readonly figures: RelayFigures;
  readonly log: RpcLog;
}

/** One other node, as the host of sessions. */
export class RelayedSessions implements SessionHost {
  readonly #parts: RelayParts;
  readonly #sessions = new Set<RelayedSession>();

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  async startSession(params: JoinParams, sink: SignalSink, abandoned: AbortSignal): Promise<SignalSession> {
    const { client, node, figures } = this.#parts;
    const stream = await client.openStream(Signal.RelaySignal, node, { signal: abandoned });
    const over = () => {
      if (this.#sessions.delete(session)) figures.out -= 1;
    };
    const session = new RelayedSession(this.#parts, stream, params, sink, over);
    this.#sessions.add(session);
    figures.out += 1;
    await session.begin(abandoned);
    return session;
  }

  /** Its clients are sent away to come back at once, elsewhere. */
  nodeGone(): void {
    for (const session of [...this.#sessions]) session.nodeGone();
  }
}
