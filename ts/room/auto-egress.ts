import type { EgressInfo } from '@livekit/protocol';
import type { StartEgressRequest } from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';

/** Who finds workers for what rooms record by themselves; shared by all rooms of a node. */
export interface AutoEgress {
  /** Resolves once a worker took it. */
  start(request: StartEgressRequest): Promise<unknown>;
  /** One that nobody waits for could not be started. Does not throw. */
  failed(info: EgressInfo): void;
}

/** Where there is no Redis there are no workers. */
export const NO_EGRESS: AutoEgress = {
  start: async () => {
    throw new RpcError('internal', 'egress not connected (redis required)');
  },
  failed() {},
};
