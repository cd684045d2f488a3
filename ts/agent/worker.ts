import {
  AvailabilityRequest,
  type AvailabilityResponse,
  Job,
  JobAssignment,
  JobState,
  JobStatus,
  JobTermination,
  JobType,
  type ParticipantPermission,
  ServerMessage,
  type SimulateJobRequest,
  type UpdateJobStatus,
  type UpdateWorkerStatus,
  WorkerStatus,
} from '@livekit/protocol';
import type { SigningKey } from '../auth/token.ts';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { jobToken } from './job-token.ts';
import type { WorkerKind } from './topics.ts';
import type { AgentLog, TerminateReason } from './types.ts';

/** What a worker said of itself when it registered. */
export interface WorkerTerms extends WorkerKind {
  /** `AW_…` */
  readonly id: string;
  readonly version: string;
  readonly permissions: ParticipantPermission;
  /** The key that its token was signed with. */
  readonly key: SigningKey;
}

export interface WorkerSetup {
  readonly terms: WorkerTerms;
  readonly send: (message: ServerMessage) => void;
  readonly jobEnded: (jobId: string) => void;
  /** Milliseconds that it has to answer an offer. */
  readonly answerMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: AgentLog;
}

/** What became of an offer: `taken` runs from now on, `done` needs no agent, `refused` may be offered to another worker. */
export type OfferOutcome =
  | { readonly name: 'taken'; readonly state: JobState }
  | { readonly name: 'done'; readonly state: JobState }
  | { readonly name: 'refused'; readonly reason: string };

type Answer = AvailabilityResponse | 'gone' | 'timeout' | 'canceled';

/** A registered worker with the jobs that it runs. */
export class Worker {
  readonly terms: WorkerTerms;
  readonly #setup: WorkerSetup;
  readonly #running = new Map<string, Job>();
  readonly #offers = new Map<string, (answer: Answer) => void>();
  #status = WorkerStatus.WS_AVAILABLE;
  #load = 0;
  #closed = false;

  constructor(setup: WorkerSetup) {
    this.terms = setup.terms;
    this.#setup = setup;
  }

  get available(): boolean {
    return !this.#closed && this.#status === WorkerStatus.WS_AVAILABLE;
  }

  /** 0 idle, 1 full, as the worker counts it. */
  get load(): number {
    return this.#load;
  }

  get jobs(): readonly string[] {
    return [...this.#running.keys()];
  }

  /**
   * Asks whether it takes the job, and hands it over. Rejects with `deadline_exceeded` where it does not answer: it may have
   * taken the job all the same, so that no other may get it.
   */
  async offer(offered: Job, canceled: AbortSignal): Promise<OfferOutcome> {
    const job = offered.clone();
    if (this.#offers.has(job.id) || this.#running.has(job.id)) {
      throw new RpcError('already_exists', 'duplicate job assignment');
    }
    const now = this.#nanoseconds();
    const { id: workerId } = this.terms;
    job.state ??= new JobState();
    const { state } = job;
    Object.assign(state, { workerId, status: JobStatus.JS_RUNNING, startedAt: now, updatedAt: now });
    const answer = await this.#ask(job, canceled);
    if (answer === 'gone') return { name: 'refused', reason: 'worker closed' };
    if (answer === 'timeout') throw new RpcError('deadline_exceeded', 'agent worker availability timeout');
    if (answer === 'canceled') throw new RpcError('canceled', 'nobody waits for the job any more');
    if (answer.terminate) {
      Object.assign(state, { status: JobStatus.JS_SUCCESS, endedAt: this.#nanoseconds() });
      return { name: 'done', state };
    }
    if (!answer.available) return { name: 'refused', reason: 'worker not available' };
    state.participantIdentity = answer.participantIdentity;
    this.#assign(job, answer);
    return { name: 'taken', state: state.clone() };
  }

  #ask(job: Job, canceled: AbortSignal): Promise<Answer> {
    if (this.#closed) return Promise.resolve('gone');
    if (canceled.aborted) return Promise.resolve('canceled');
    return new Promise((resolve) => {
      const settle = (answer: Answer) => {
        clearTimeout(timer);
        canceled.removeEventListener('abort', abort);
        this.#offers.delete(job.id);
        resolve(answer);
      };
      const abort = () => settle('canceled');
      const timer = setTimeout(() => settle('timeout'), this.#setup.answerMs);
      canceled.addEventListener('abort', abort);
      this.#offers.set(job.id, settle);
      this.#send({ case: 'availability', value: new AvailabilityRequest({ job }) });
    });
  }

  #assign(job: Job, answer: AvailabilityResponse): void {
    const { agentName, permissions, key } = this.terms;
    const terms = { key, room: job.room?.name ?? '', agentName, permissions };
    const token = jobToken(terms, answer, new Date(this.#setup.now()));
    // What it says of the job from now on must find it.
    this.#running.set(job.id, job);
    this.#send({ case: 'assignment', value: new JobAssignment({ job, token }) });
  }

  /** Tells it to end a job; the state that the job has then. `not_found` for a job that it does not run. */
  terminate(jobId: string, reason: TerminateReason): JobState {
    const job = this.#running.get(jobId);
    if (job === undefined) throw new RpcError('not_found', 'no running job for given jobID');
    this.#send({ case: 'termination', value: new JobTermination({ jobId }) });
    return reason === 'agentLeft'
      ? this.#update(job, JobStatus.JS_FAILED, 'agent worker left the room')
      : this.#update(job, JobStatus.JS_SUCCESS, '');
  }

  answered(answer: AvailabilityResponse): void {
    const settle = this.#offers.get(answer.jobId);
    if (settle === undefined) this.#setup.log.debug({ jobID: answer.jobId }, 'answer for a job that was not offered');
    else settle(answer);
  }

  updateJob({ jobId, status, error }: UpdateJobStatus): void {
    const job = this.#running.get(jobId);
    // A room that closes ends its jobs, and the worker's own word for it comes after.
    if (job === undefined) this.#setup.log.debug({ jobID: jobId }, 'update of a job that does not run');
    else this.#update(job, status, error);
  }

  update({ status, load }: UpdateWorkerStatus): void {
    if (status !== undefined) this.#status = status;
    this.#load = Number.isFinite(load) ? load : 1;
  }

  /** A job that it asks for itself, to try how it runs one. */
  simulate({ room, participant }: SimulateJobRequest): void {
    const { namespace, agentName } = this.terms;
    const type = participant === undefined ? JobType.JT_ROOM : JobType.JT_PUBLISHER;
    const job = new Job({ id: newJobId(), type, namespace, agentName });
    if (room !== undefined) job.room = room;
    if (participant !== undefined) job.participant = participant;
    this.offer(job, new AbortController().signal).catch((error: unknown) => {
      this.#setup.log.warn({ jobID: job.id, error }, 'unable to simulate job');
    });
  }

  /** It is gone: its jobs failed, and what was offered may go to others. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const settle of [...this.#offers.values()]) settle('gone');
    for (const job of [...this.#running.values()]) this.#update(job, JobStatus.JS_FAILED, 'worker disconnected');
  }

  #update(job: Job, status: JobStatus, error: string): JobState {
    const { state = new JobState() } = job;
    const now = this.#nanoseconds();
    const starts = state.status === JobStatus.JS_PENDING && status !== JobStatus.JS_PENDING;
    Object.assign(state, { status, error, updatedAt: now, ...(starts ? { startedAt: now } : {}) });
    if (hasEnded(status)) {
      state.endedAt = now;
      this.#running.delete(job.id);
      this.#setup.log.info({ jobID: job.id, status: JobStatus[status], error }, 'job ended');
      this.#setup.jobEnded(job.id);
    }
    return state.clone();
  }

  #send(message: ServerMessage['message']): void {
    this.#setup.send(new ServerMessage({ message }));
  }

  #nanoseconds(): bigint {
    return BigInt(this.#setup.now()) * 1_000_000n;
  }
}

export function hasEnded(status: JobStatus): boolean {
  return status === JobStatus.JS_SUCCESS || status === JobStatus.JS_FAILED;
}

export const newJobId = (): string => newGuid('AJ_');
