import type { EgressInfo, Room, StopEgressRequest } from '@livekit/protocol';
import type { StartEgressRequest } from '../gen/rpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcClient } from '../psrpc/client.ts';
import { EgressHandler, EgressInternal } from '../psrpc/services.ts';
import type { EgressRecords } from './types.ts';

export interface EgressLauncherParts {
  readonly rpc: RpcClient;
  readonly records: Pick<EgressRecords, 'create'>;
  readonly loadRoom: (name: RoomName) => Promise<Room | undefined>;
  /** Milliseconds of one call as configured (`psrpc.timeout`). */
  readonly timeoutMs: number;
  /** Waits so many milliseconds. */
  readonly wait: (ms: number) => Promise<void>;
  /** 0 to 1. */
  readonly random: () => number;
  readonly onError: (error: unknown, egressId: string) => void;
}

/** Finds a worker for an egress (livekit-facts 5.4, 7.3). */
export class EgressLauncher {
  readonly #parts: EgressLauncherParts;

  constructor(parts: EgressLauncherParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with what the worker that took it says of it. An id is made up where there is none, and the room's id taken
   * from the store. Workers have their own API keys: token and URL stay empty, as livekit-server leaves them.
   */
  async start(request: StartEgressRequest): Promise<EgressInfo> {
    if (request.egressId === '') request.egressId = newGuid('EG_');
    if (request.roomId === '') request.roomId = await this.#roomId(roomNameOf(request));
    const info = await this.#ask(request);
    try {
      await this.#parts.records.create(info);
    } catch (error) {
      // It runs, and its worker will tell of it again.
      this.#parts.onError(error, info.egressId);
    }
    return info;
  }

  stop(request: StopEgressRequest): Promise<EgressInfo> {
    return this.#parts.rpc.call(EgressHandler.StopEgress, request.egressId, request);
  }

  async #roomId(name: string): Promise<string> {
    if (name === '') return '';
    const room = await this.#parts.loadRoom(name as RoomName);
    if (room === undefined) throw new RpcError('not_found', 'requested room does not exist');
    return room.sid;
  }

  /** Workers may all be busy, or just come: a few attempts, each with more time. */
  async #ask(request: StartEgressRequest): Promise<EgressInfo> {
    const { rpc, wait, random } = this.#parts;
    let timeoutMs = Math.max(this.#parts.timeoutMs, LEAST_TIMEOUT_MS);
    for (let made = 1; ; made += 1) {
      try {
        return await rpc.call(EgressInternal.StartEgress, '', request, {
          timeoutMs,
          maxAttempts: 1,
          affinity: { timeoutMs: 1000, shortCircuitMs: 500, maxAffinity: 1 },
        });
      } catch (error) {
        if (made >= MOST_ATTEMPTS || !isWorthAnotherAttempt(error)) throw error;
        const doubled = 2 ** (made - 1);
        await wait(FIRST_WAIT_MS * doubled * (1 + random()));
        timeoutMs *= 2;
      }
    }
  }
}

/** `''` for what needs no room. */
export function roomNameOf({ request }: StartEgressRequest): string {
  switch (request.case) {
    case 'egress':
    case 'roomComposite':
    case 'participant':
    case 'trackComposite':
    case 'track':
      return request.value.roomName;
    default:
      return '';
  }
}

function isWorthAnotherAttempt(error: unknown): boolean {
  return error instanceof RpcError && RECOVERABLE.has(error.code);
}

const RECOVERABLE: ReadonlySet<string> = new Set(['deadline_exceeded', 'resource_exhausted', 'unavailable']);
const LEAST_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 1000;
const MOST_ATTEMPTS = 3;
