/** `/twirp/<service>/<method>` for the services there are; other paths below `/twirp/` are unknown like any other. */

import type { TwirpRouter } from '../api/twirp.ts';
import type { Route } from './pipeline.ts';
import { content } from './reply.ts';
import type { Routes } from './routes.ts';

/** `services` by full name, for example `livekit.RoomService`. */
export function addTwirpRoutes(routes: Routes, services: readonly string[], router: TwirpRouter): void {
  const route: Route = async ({ request, path, token }) => {
    const reply = await router.handle({
      method: request.method,
      path,
      contentType: request.headers.get('content-type') ?? '',
      body: await request.body(),
      claims: token?.claims,
      timeoutMs: timeoutOf(request.headers.get('x-twirp-timeout-ms')),
    });
    return content(reply.status, reply.contentType, reply.body);
  };
  for (const service of services) {
    const prefix = `/twirp/${service}` as const;
    routes.exact(prefix, (call) => route({ ...call, path: `${prefix}/` })).below(`${prefix}/`, route);
  }
}

function timeoutOf(header: string | undefined): number | undefined {
  return header !== undefined && /^[1-9]\d{0,8}$/.test(header) ? Number(header) : undefined;
}
