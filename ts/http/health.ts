/**
 * The probes: `/` as livekit-server answers it, `/readyz` for "takes new rooms", `/healthz` for "the process runs". What
 * `/` and `/healthz` say does not depend on Redis: a process that could be restarted for its absence would end calls that
 * go on without it.
 */

import type { Route } from './pipeline.ts';
import { text } from './reply.ts';

/** Well while the node's own timer comes round; `age` in milliseconds since it last did. */
export function health(age: () => number, now: () => Date): Route {
  return async () => {
    const old = age();
    if (old <= MAX_AGE_MS) return text(200, 'OK');
    return text(406, `Not Ready\nNode Updated At ${goTime(now().getTime() - old)}`);
  };
}

/** Whether a load balancer should send new rooms here. */
export function readiness(takesRooms: () => boolean): Route {
  return async () => (takesRooms() ? text(200, 'OK') : text(503, 'Not Ready'));
}

export const liveness: Route = async () => text(200, 'OK');

/** `2026-01-02 03:04:05 +0000 UTC`, as the text has always shown it. */
function goTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;
}

const MAX_AGE_MS = 4000;
