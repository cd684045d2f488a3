import type { JoinParams, SessionHost, SignalSession, SignalSink } from '../signal/types.ts';
import { NodeGone } from './node-gone.ts';

/** Sessions wherever their rooms are: on the node of each, or on the next where that one dies before it answers. */
export class RoutedSessions implements SessionHost {
  readonly #find: (params: JoinParams) => Promise<SessionHost>;

  constructor(find: (params: JoinParams) => Promise<SessionHost>) {
    this.#find = find;
  }

  async startSession(params: JoinParams, sink: SignalSink, abandoned: AbortSignal): Promise<SignalSession> {
    for (;;) {
      const host = await this.#find(params);
      try {
        return await host.startSession(params, sink, abandoned);
      } catch (error) {
        if (!(error instanceof NodeGone) || abandoned.aborted) throw error;
      }
    }
  }
}
