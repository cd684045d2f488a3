import type { EgressInfo } from '@livekit/protocol';
import type { StartEgressRequest } from '../../gen/rpc_pb.ts';
import type { AutoEgress } from '../auto-egress.ts';

/** Workers that take everything, or reject it. */
export class ScriptedEgress implements AutoEgress {
  readonly started: StartEgressRequest[] = [];
  readonly failures: EgressInfo[] = [];
  /** What `start` rejects with. */
  fault: Error | undefined;

  async start(request: StartEgressRequest): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    this.started.push(request);
  }

  failed(info: EgressInfo): void {
    this.failures.push(info);
  }
}
