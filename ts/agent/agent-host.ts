import { Empty } from '@bufbuild/protobuf';
import {
  type Job,
  type JobState,
  type ParticipantPermission,
  RegisterWorkerResponse,
  type ServerInfo,
  ServerMessage,
} from '@livekit/protocol';
import type { SigningKey } from '../auth/token.ts';
import { type CheckEnabledResponse, JobRequestResponse, JobTerminateResponse } from '../gen/rpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcClient } from '../psrpc/client.ts';
import type { Registration, RpcServer } from '../psrpc/server.ts';
import { AgentInternal } from '../psrpc/services.ts';
import { SharedTopics } from './shared-topics.ts';
import { jobTopic, type WorkerKind } from './topics.ts';
import type { AgentLog, TerminateReason } from './types.ts';
import { Worker } from './worker.ts';
import { WorkerPool } from './worker-pool.ts';

export interface AgentHostSetup {
  readonly server: RpcServer;
  readonly client: RpcClient;
  /** As workers are told at their registration. */
  readonly serverInfo: ServerInfo;
  /** Load above which a worker does not attract jobs (`agents.target_load`). */
  readonly targetLoad: number;
  readonly log: AgentLog;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** From [0, 1). */
  readonly random?: () => number;
  /** Milliseconds that a worker has to answer an offer; 10,000 by default. */
  readonly answerMs?: number;
}

/** What a worker sends to register, and the key that it came with. */
export interface WorkerApplication extends WorkerKind {
  readonly version: string;
  readonly permissions: ParticipantPermission;
  readonly key: SigningKey;
}

/** The socket of a registered worker. */
export interface WorkerLink {
  send(message: ServerMessage): void;
  /** Ends the connection. */
  close(): void;
}

/** The workers that are connected to this node and the jobs that they run, for the rooms of all nodes. */
export class AgentHost {
  readonly log: AgentLog;
  readonly now: () => number;
  readonly #setup: AgentHostSetup;
  readonly #pool = new WorkerPool();
  readonly #links = new Map<Worker, WorkerLink>();
  /** Who runs each job. */
  readonly #jobs = new Map<string, Worker>();
  readonly #requests: SharedTopics;
  readonly #terminations: SharedTopics;
  /** What nobody waits for, until it is done. */
  readonly #background = new Set<Promise<void>>();
  #enabled: Promise<Registration> | undefined;
  #closed = false;

  constructor(setup: AgentHostSetup) {
    const { server } = setup;
    this.#setup = setup;
    this.log = setup.log;
    this.now = setup.now ?? Date.now;
    this.#requests = new SharedTopics((topic) =>
      server.handle(
        AgentInternal.JobRequest,
        topic,
        async (job, { signal }) => new JobRequestResponse({ state: await this.request(job, signal) }),
        { affinity: (job) => this.bid(job) },
      ),
    );
    this.#terminations = new SharedTopics((topic) =>
      server.handle(AgentInternal.JobTerminate, topic, async ({ jobId, reason }) => {
        const state = this.terminate(jobId, reason === AGENT_LEFT ? 'agentLeft' : 'requested');
        return new JobTerminateResponse({ state });
      }),
    );
  }

  /** Answers whoever asks for workers. */
  async start(): Promise<void> {
    this.#enabled ??= this.#setup.server.handle(AgentInternal.CheckEnabled, '', async () => this.summary());
    await this.#enabled;
  }

  /** Whether workers may come. */
  get accepting(): boolean {
    return !this.#closed;
  }

  get workers(): number {
    return this.#links.size;
  }

  get jobs(): number {
    return this.#jobs.size;
  }

  summary(): CheckEnabledResponse {
    return this.#pool.summary();
  }

  /** Tells the worker who it is; it may get jobs from now on. `undefined` where this node takes no more workers. */
  register(application: WorkerApplication, link: WorkerLink): Worker | undefined {
    if (this.#closed) return undefined;
    const worker = new Worker({
      terms: { ...application, id: newGuid('AW_') },
      send: (message) => link.send(message),
      jobEnded: (jobId) => this.#jobEnded(jobId),
      answerMs: this.#setup.answerMs ?? ANSWER_MS,
      now: this.now,
      log: this.log,
    });
    const value = new RegisterWorkerResponse({ workerId: worker.terms.id, serverInfo: this.#setup.serverInfo });
    link.send(new ServerMessage({ message: { case: 'register', value } }));
    this.#admit(worker, link);
    return worker;
  }

  #admit(worker: Worker, link: WorkerLink): void {
    this.#links.set(worker, link);
    const first = this.#pool.add(worker);
    this.log.info(fieldsOf(worker), 'worker registered');
    this.#run('hear requests for jobs', async () => {
      try {
        await this.#requests.use(jobTopic(worker.terms));
      } catch (error) {
        // It comes back, and finds the bus maybe.
        link.close();
        throw error;
      }
      if (first) await this.announce();
    });
  }

  /** Its socket is gone. Idempotent. */
  remove(worker: Worker): void {
    if (!this.#links.delete(worker)) return;
    const last = this.#pool.remove(worker);
    worker.close();
    this.log.info(fieldsOf(worker), last ? 'last worker deregistered' : 'worker deregistered');
    this.#run('leave requests for jobs', () => this.#requests.release(jobTopic(worker.terms)));
  }

  /** All nodes look for workers anew, since what they know may be old. */
  announceLater(): void {
    if (this.#links.size > 0) this.#run('announce workers', () => this.announce());
  }

  /** All nodes look for workers anew. */
  async announce(): Promise<void> {
    await this.#setup.client.publish(AgentInternal.WorkerRegistered, '', new Empty());
  }

  /** How much this node would like the job; 0 for not at all. */
  bid(kind: WorkerKind): number {
    return this.#pool.affinity(kind, this.#setup.targetLoad);
  }

  /** Gives the job to one of the workers here. Rejects with `resource_exhausted` where none takes it. */
  async request(job: Job, canceled: AbortSignal): Promise<JobState> {
    const asked = new Set<Worker>();
    const fields = { jobID: job.id, room: job.room?.name, agentName: job.agentName, namespace: job.namespace };
    for (;;) {
      const worker = this.#pool.choose(job, asked, (this.#setup.random ?? Math.random)());
      asked.add(worker);
      const outcome = await worker.offer(job, canceled);
      if (outcome.name === 'refused') {
        this.log.info({ ...fields, workerID: worker.terms.id, reason: outcome.reason }, 'job refused');
        continue;
      }
      if (outcome.name === 'taken') await this.#jobTaken(job.id, worker);
      this.log.info({ ...fields, workerID: worker.terms.id }, 'assigned job to worker');
      return outcome.state;
    }
  }

  /** Whether a worker here runs the job. */
  runs(jobId: string): boolean {
    return this.#jobs.has(jobId);
  }

  /** Rejects with `not_found` where no worker here runs it. */
  terminate(jobId: string, reason: TerminateReason): JobState {
    const worker = this.#jobs.get(jobId);
    if (worker === undefined) throw new RpcError('not_found', 'no worker for jobID');
    return worker.terminate(jobId, reason);
  }

  async #jobTaken(jobId: string, worker: Worker): Promise<void> {
    // What the worker says meanwhile may have ended it.
    if (!worker.jobs.includes(jobId)) return;
    this.#jobs.set(jobId, worker);
    try {
      await this.#terminations.use([jobId]);
    } catch (error) {
      this.log.warn({ jobID: jobId, error }, 'failed to register JobTerminate handler');
    }
  }

  #jobEnded(jobId: string): void {
    if (!this.#jobs.delete(jobId)) return;
    this.#run('leave a job', () => this.#terminations.release([jobId]));
  }

  /**
   * Sends the workers to other nodes, one each `intervalMs` so that these are not overrun; jobs go on in their agents, and
   * so does the wish for new workers elsewhere. Resolves when all are gone, or at once after `signal` aborts.
   */
  async drain(intervalMs: number, signal: AbortSignal): Promise<void> {
    this.#closed = true;
    await pause((this.#setup.random ?? Math.random)() * intervalMs, signal);
    for (const link of [...this.#links.values()]) {
      if (signal.aborted) return;
      link.close();
      await pause(intervalMs, signal);
    }
  }

  /** Takes workers again after a drain. */
  undrain(): void {
    this.#closed = false;
  }

  /** Ends all connections. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [worker, link] of [...this.#links]) {
      link.close();
      this.remove(worker);
    }
    const enabled = this.#enabled;
    if (enabled !== undefined) this.#run('end', async () => (await enabled).end());
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  #run(what: string, task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => this.log.warn({ error }, `could not ${what}`))
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }
}

function fieldsOf({ terms }: Worker): object {
  const { id, agentName, namespace, deployment, type, version } = terms;
  return { workerID: id, agentName, namespace, deployment, jobType: type, version };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** As livekit-server gives its workers. */
const ANSWER_MS = 10_000;
/** `JobTerminateReason.AGENT_LEFT_ROOM` */
const AGENT_LEFT = 1;
