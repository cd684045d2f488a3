/** Sessions of rooms on other nodes, over `Signal.RelaySignal` (livekit-facts 7.3). */

import type { Link } from '../cluster/keyspace.ts';
import type { NodeId } from '../lib/ids.ts';
import type { RpcClient } from '../psrpc/client.ts';
import type { RpcLog } from '../psrpc/log.ts';
import { Signal } from '../psrpc/services.ts';
import type { Clock } from '../room/clock.ts';
import type { JoinParams, SessionHost, SignalSession, SignalSink } from '../signal/types.ts';
import type { RelayFigures } from './figures.ts';
import { NodeGone } from './node-gone.ts';
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
  readonly #gone = new AbortController();

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** Rejects with `NodeGone` as soon as that is known. */
  async startSession(params: JoinParams, sink: SignalSink, abandoned: AbortSignal): Promise<SignalSession> {
    const { figures } = this.#parts;
    const stream = await this.#open(abandoned);
    const over = () => {
      if (this.#sessions.delete(session)) figures.out -= 1;
    };
    const session = new RelayedSession(this.#parts, stream, params, sink, over);
    this.#sessions.add(session);
    figures.out += 1;
    await session.begin(abandoned);
    return session;
  }

  async #open(abandoned: AbortSignal) {
    const { client, node } = this.#parts;
    const signal = AbortSignal.any([abandoned, this.#gone.signal]);
    try {
      return await client.openStream(Signal.RelaySignal, node, { signal });
    } catch (error) {
      throw this.#gone.signal.aborted ? new NodeGone() : error;
    }
  }

  /** Its clients are sent away to come back at once, elsewhere. */
  nodeGone(): void {
    this.#gone.abort();
    for (const session of [...this.#sessions]) session.nodeGone();
  }
}
