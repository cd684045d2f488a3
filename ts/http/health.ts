/** The probes: `/` as livekit-server answers it, `/readyz` the same, `/healthz` for "the process runs". */

import type { Route } from './pipeline.ts';
import { text } from './reply.ts';

/** Ready while the node's own stats are fresh; `updatedAt` in Unix seconds. */
export function readiness(updatedAt: () => number, now: () => Date): Route {
  return async () => {
    const updated = updatedAt();
    const fresh = now().getTime() / 1000 - updated <= MAX_AGE_SECONDS;
    return fresh ? text(200, 'OK') : text(406, `Not Ready\nNode Updated At ${goTime(updated)}`);
  };
}

export const liveness: Route = async () => text(200, 'OK');

/** `2026-01-02 03:04:05 +0000 UTC`, as the text has always shown it. */
function goTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;
}

const MAX_AGE_SECONDS = 4;
