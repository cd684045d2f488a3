import {
  type AgentDispatch,
  AgentDispatchState,
  type Job,
  JobState,
  JobStatus,
  type JobType,
  Room as RoomMessage,
} from '@livekit/protocol';

/** One call for an agent, with the jobs that came of it. */
export class Dispatch {
  readonly id: string;
  /** It was deleted: jobs that come of it yet are ended. */
  removed = false;
  readonly #message: AgentDispatch;
  /** Jobs of a former host of the room, which may go on here. */
  readonly #former = new Set<Job>();

  /** With the jobs of a former host. */
  constructor(message: AgentDispatch) {
    this.id = message.id;
    this.#message = message;
    message.state ??= new AgentDispatchState();
    for (const job of message.state.jobs) {
      job.room ??= new RoomMessage({ name: message.room });
      if (!hasEnded(job)) this.#former.add(job);
    }
  }

  get wish(): Pick<AgentDispatch, 'agentName' | 'metadata' | 'deployment' | 'attributes'> {
    return this.#message;
  }

  get jobs(): readonly Job[] {
    return this.#message.state?.jobs ?? [];
  }

  snapshot(): AgentDispatch {
    return this.#message.clone();
  }

  /** Returns an ended job that there is no more place for. */
  addJob(job: Job): Job | undefined {
    const jobs = this.#message.state?.jobs ?? [];
    jobs.push(job);
    const oldest = jobs.length > MAX_JOBS ? jobs.findIndex(hasEnded) : -1;
    return oldest < 0 ? undefined : jobs.splice(oldest, 1)[0];
  }

  /** Jobs like this that a former host of the room gave out, each told once. */
  takeFormer(type: JobType, identity: string | undefined): Job[] {
    const found = [...this.#former].filter((job) => job.type === type && job.participant?.identity === identity);
    for (const job of found) this.#former.delete(job);
    return found;
  }
}

export function hasEnded({ state }: Job): boolean {
  return state?.status === JobStatus.JS_SUCCESS || state?.status === JobStatus.JS_FAILED;
}

/** The agent that does the job; empty where the worker named none. */
export function agentOf({ state }: Job): string {
  return state?.participantIdentity ?? '';
}

/** `now` in milliseconds since 1970. */
export function fail(job: Job, error: string, now: number): void {
  const at = BigInt(now) * 1_000_000n;
  job.state ??= new JobState();
  Object.assign(job.state, { status: JobStatus.JS_FAILED, error, endedAt: at, updatedAt: at });
}

/** Jobs kept to be listed; in rooms that last for long, each participant may bring one. */
const MAX_JOBS = 1000;
