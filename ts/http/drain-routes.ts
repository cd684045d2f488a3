/** `POST /drain`, `POST /undrain` and `GET /drain`, for tokens that may create and list rooms. */

import type { DrainStatus } from '../cluster/drain.ts';
import { httpStatusOf, RpcError } from '../lib/rpc-error.ts';
import type { Call, Route } from './pipeline.ts';
import { content, text } from './reply.ts';
import type { Routes } from './routes.ts';
import type { PlainReply } from './types.ts';

export interface DrainControl {
  readonly status: DrainStatus;
  /** With this many milliseconds instead of the configured ones. */
  start(deadline?: number): Promise<void>;
  undo(): Promise<void>;
}

export function addDrainRoutes(routes: Routes, drain: DrainControl): void {
  const answer = () => content(200, 'application/json', JSON.stringify(drain.status));
  routes.exact(
    '/drain',
    guarded(async ({ request }) => {
      if (request.method === 'GET') return answer();
      if (request.method !== 'POST') return text(405, 'Method Not Allowed');
      const asked = parseBody(await request.body());
      if (asked === undefined) return text(400, 'expected {"deadline_seconds": <number, 0 or more>} or no body');
      await drain.start(asked.deadline);
      return answer();
    }),
  );
  routes.exact(
    '/undrain',
    guarded(async ({ request }) => {
      if (request.method !== 'POST') return text(405, 'Method Not Allowed');
      try {
        await drain.undo();
      } catch (error) {
        if (error instanceof RpcError) return text(httpStatusOf(error.code), error.message);
        throw error;
      }
      return answer();
    }),
  );
}

function guarded(route: (call: Call) => Promise<PlainReply>): Route {
  return async (call) => {
    const video = call.token?.claims.video;
    return video?.roomCreate === true && video.roomList ? route(call) : text(401, 'permissions denied');
  };
}

/** Undefined where it is neither empty nor what it should be. */
function parseBody(body: Uint8Array): { deadline?: number } | undefined {
  if (body.length === 0) return {};
  try {
    const { deadline_seconds: seconds }: { deadline_seconds?: unknown } = JSON.parse(Buffer.from(body).toString());
    if (seconds === undefined) return {};
    return typeof seconds === 'number' && seconds >= 0 && seconds <= MAX_SECONDS
      ? { deadline: seconds * 1000 }
      : undefined;
  } catch {
    return undefined;
  }
}

/** As far as timers reach. */
const MAX_SECONDS = 2_000_000;
