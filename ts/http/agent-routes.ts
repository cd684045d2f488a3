/** `/agent`: the WebSocket of agents' workers (livekit-facts 11.2). */

import type { AgentHost } from '../agent/agent-host.ts';
import { WorkerConnection } from '../agent/worker-connection.ts';
import type { Keys } from '../auth/keys.ts';
import type { Route } from './pipeline.ts';
import { text } from './reply.ts';
import type { Routes } from './routes.ts';

export interface AgentRoutesParts {
  readonly host: AgentHost;
  readonly keys: Keys;
  /** Bytes of one message of a worker; 0 for no limit. */
  readonly maxMessageBytes: number;
}

export function addAgentRoutes(routes: Routes, parts: AgentRoutesParts): void {
  routes.exact('/agent', worker(parts));
}

function worker({ host, keys, maxMessageBytes }: AgentRoutesParts): Route {
  return async ({ request, token }) => {
    if (!request.upgrade) return text(404, '');
    const secret = token === undefined ? undefined : keys.secret(token.apiKey);
    if (token?.claims.video?.agent !== true || secret === undefined) {
      return text(401, 'no permissions to access the room');
    }
    // The next try may reach another node.
    if (!host.accepting) return text(503, 'this node is draining');
    const key = { key: token.apiKey, secret };
    return {
      kind: 'upgrade',
      maxMessageBytes,
      open: (socket) => {
        const connection = new WorkerConnection(host, key, socket);
        return {
          message: (frame) => connection.message(frame),
          pong: () => connection.pong(),
          drained() {},
          closed: () => connection.closed(),
        };
      },
    };
  };
}
