import type { Job, JobState, JobType, ParticipantInfo, Room } from '@livekit/protocol';

/** A job that some worker may take. */
export interface JobOffer {
  readonly dispatchId: string;
  readonly type: JobType;
  readonly room: Room;
  /** Whom the job is about; undefined for jobs of a whole room. */
  readonly participant: ParticipantInfo | undefined;
  /** Empty for workers without a name: those of every namespace get the job. */
  readonly agentName: string;
  readonly deployment: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Why a job shall end: somebody asked for it, or its agent left the room. */
export type TerminateReason = 'requested' | 'agentLeft';

/** The workers of all nodes, as rooms see them. */
export interface AgentJobs {
  /**
   * Offers the job to one worker of each namespace. `taken` hears of each job that a worker took, with its state; resolves
   * when no more will be. Never rejects.
   */
  launch(offer: JobOffer, taken: (job: Job) => void): Promise<void>;
  /** The job's last state; `not_found` where no worker has it any more, `unavailable` where its node does not answer. */
  terminate(jobId: string, reason: TerminateReason): Promise<JobState>;
}

/** As much of a log as this folder needs. */
export interface AgentLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
