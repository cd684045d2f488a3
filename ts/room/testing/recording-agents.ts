import { Job, JobState, JobStatus } from '@livekit/protocol';
import type { AgentJobs, JobOffer, TerminateReason } from '../../agent/types.ts';
import { RpcError } from '../../lib/rpc-error.ts';

/** Workers as a test scripts them: they take a job when told to. */
export class RecordingAgents implements AgentJobs {
  readonly offers: JobOffer[] = [];
  readonly terminated: [jobId: string, reason: TerminateReason][] = [];
  /** The worker of every job is gone. */
  unreachable = false;
  readonly #taken = new Map<JobOffer, (job: Job) => void>();

  async launch(offer: JobOffer, taken: (job: Job) => void): Promise<void> {
    this.offers.push(offer);
    this.#taken.set(offer, taken);
  }

  /** A worker takes the offer; its agent joins with this identity. */
  take(offer: JobOffer, participantIdentity: string): Job {
    const { dispatchId, type, room, participant } = offer;
    const state = new JobState({ status: JobStatus.JS_RUNNING, participantIdentity });
    const job = new Job({ id: `AJ_${participantIdentity}`, dispatchId, type, room, state });
    if (participant !== undefined) job.participant = participant;
    this.#taken.get(offer)?.(job);
    return job;
  }

  async terminate(jobId: string, reason: TerminateReason): Promise<JobState> {
    this.terminated.push([jobId, reason]);
    if (this.unreachable) throw new RpcError('not_found', 'no worker for jobID');
    return new JobState({ status: reason === 'agentLeft' ? JobStatus.JS_FAILED : JobStatus.JS_SUCCESS });
  }
}
