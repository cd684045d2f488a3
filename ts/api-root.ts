/** The services of the server API, and what they ask of rooms wherever these are. */

import { agentDispatchService } from './api/agent-dispatch-service.ts';
import { roomService } from './api/room-service.ts';
import { TwirpRouter, type TwirpService } from './api/twirp.ts';
import type { HostControls, RoomDirectory } from './api/types.ts';
import { unconnectedServices } from './api/unconnected-services.ts';
import type { Config } from './config/schema.ts';
import type { Routes } from './http/routes.ts';
import { addTwirpRoutes } from './http/twirp-routes.ts';
import type { WorkerServices } from './io-root.ts';
import type { Log } from './log/log.ts';
import type { ApiMetrics } from './metrics/api.ts';
import { apiLimits } from './settings.ts';

export interface ApiParts {
  readonly config: Config;
  readonly log: Log;
  readonly controls: HostControls;
  readonly directory: RoomDirectory;
  /** Undefined without Redis. */
  readonly workers: WorkerServices | undefined;
  readonly metrics: ApiMetrics;
}

export function addApi(routes: Routes, { config, log, controls, directory, workers, metrics }: ApiParts): void {
  const limits = apiLimits(config);
  const services: Record<string, TwirpService> = {
    'livekit.RoomService': roomService({
      rooms: controls,
      participants: controls,
      directory,
      limits,
      mayRecord: workers !== undefined,
    }),
    'livekit.AgentDispatchService': agentDispatchService(controls, directory, limits),
    ...unconnectedServices(),
    ...workers?.twirp(controls, directory, limits),
  };
  const onError = (error: unknown, path: string) => {
    log.error({ path, error: error instanceof Error ? error.stack : String(error) }, 'error handling request');
  };
  const router = new TwirpRouter(services, onError, (...answer) => metrics.answered(...answer));
  addTwirpRoutes(routes, Object.keys(services), router);
}
