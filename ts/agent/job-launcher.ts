import { Job, JobState, JobType } from '@livekit/protocol';
import { CheckEnabledRequest, type CheckEnabledResponse, JobTerminateRequest } from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcClient } from '../psrpc/client.ts';
import type { Registration, RpcServer } from '../psrpc/server.ts';
import { AgentInternal } from '../psrpc/services.ts';
import type { AgentHost } from './agent-host.ts';
import { GrowingSet } from './growing-set.ts';
import { jobTopic } from './topics.ts';
import type { AgentJobs, AgentLog, JobOffer, TerminateReason } from './types.ts';
import { newJobId } from './worker.ts';

export interface JobLauncherSetup {
  readonly client: RpcClient;
  readonly server: RpcServer;
  /** The workers of this node, which are reached without the bus too. */
  readonly host: AgentHost;
  /** What jobs tell their agents of the users' wishes (`agents.enable_user_data_…`). */
  readonly recording: boolean;
  readonly redaction: boolean;
  readonly log: AgentLog;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds that nodes have to tell of their workers; 5000 by default. */
  readonly collectMs?: number;
}

/** Workers of all nodes by the type of their jobs, as far as nodes have told. */
interface KnownWorkers {
  readonly askedAt: number;
  readonly namespaces: Readonly<Record<JobType, GrowingSet<string>>>;
  readonly agentNames: Readonly<Record<JobType, GrowingSet<string>>>;
}

/** Gives jobs of rooms to workers of all nodes (livekit-facts 11.2). */
export class JobLauncher implements AgentJobs {
  readonly #setup: JobLauncherSetup;
  readonly #now: () => number;
  readonly #abort = new AbortController();
  readonly #collecting = new Set<Promise<void>>();
  #known: KnownWorkers | undefined;
  #listening: Promise<Registration> | undefined;

  constructor(setup: JobLauncherSetup) {
    this.#setup = setup;
    this.#now = setup.now ?? Date.now;
  }

  /** Hears of new workers. */
  async start(): Promise<void> {
    this.#listening ??= this.#setup.server.listen(AgentInternal.WorkerRegistered, '', () => {
      this.#known = undefined;
    });
    await this.#listening;
  }

  async launch(offer: JobOffer, taken: (job: Job) => void): Promise<void> {
    const { type, agentName } = offer;
    const known = this.#workers();
    const fields = { agentName, jobType: type, room: offer.room.name };
    if (agentName !== '' && !(await known.agentNames[type].has(agentName))) {
      this.#setup.log.info(fields, 'not dispatching agent job since no worker is available');
      return;
    }
    const requests: Promise<void>[] = [];
    // Names and namespaces are not told together: a namespace may turn out to have no worker of the name.
    for await (const namespace of known.namespaces[type]) {
      requests.push(
        this.#request(this.#job(offer, namespace), taken).catch((error: unknown) => {
          this.#setup.log.info({ ...fields, namespace, error: messageOf(error) }, 'failed to send job request');
        }),
      );
    }
    await Promise.all(requests);
  }

  async terminate(jobId: string, reason: TerminateReason): Promise<JobState> {
    const { client, host } = this.#setup;
    if (host.runs(jobId)) return host.terminate(jobId, reason);
    const request = new JobTerminateRequest({ jobId, reason: REASONS[reason] });
    const signal = this.#abort.signal;
    const { state } = await client.call(AgentInternal.JobTerminate, jobId, request, { maxAttempts: 1, signal });
    return state ?? new JobState();
  }

  #job(offer: JobOffer, namespace: string): Job {
    const job = new Job({
      id: newJobId(),
      dispatchId: offer.dispatchId,
      type: offer.type,
      room: offer.room,
      namespace,
      agentName: offer.agentName,
      metadata: offer.metadata,
      deployment: offer.deployment,
      attributes: { ...offer.attributes },
      enableRecording: this.#setup.recording,
      enableRedaction: this.#setup.redaction,
    });
    if (offer.participant !== undefined) job.participant = offer.participant;
    return job;
  }

  async #request(job: Job, taken: (job: Job) => void): Promise<void> {
    const state = await this.#ask(job);
    if (state !== undefined) job.state = state;
    taken(job);
  }

  async #ask(job: Job): Promise<JobState | undefined> {
    const { client, host } = this.#setup;
    const { signal } = this.#abort;
    try {
      const options = { timeoutMs: REQUEST_MS, maxAttempts: 1, signal };
      return (await client.call(AgentInternal.JobRequest, jobTopic(job), job, options)).state;
    } catch (error) {
      // Without the bus there are the workers of this node still; with it they would have been heard.
      if (!(error instanceof RpcError) || error.code !== 'unavailable' || host.bid(job) === 0) throw error;
      return host.request(job, signal);
    }
  }

  /** Asks all nodes at most once a minute, or when new workers came. */
  #workers(): KnownWorkers {
    const known = this.#known;
    if (known !== undefined && this.#now() - known.askedAt < KNOWN_FOR_MS) return known;
    const fresh: KnownWorkers = { askedAt: this.#now(), namespaces: growingSets(), agentNames: growingSets() };
    this.#known = fresh;
    note(fresh, this.#setup.host.summary());
    const collecting = this.#collect(fresh).finally(() => this.#collecting.delete(collecting));
    this.#collecting.add(collecting);
    return fresh;
  }

  async #collect(known: KnownWorkers): Promise<void> {
    const { client, collectMs = COLLECT_MS } = this.#setup;
    try {
      const options = { timeoutMs: collectMs, signal: this.#abort.signal };
      const answers = client.callAll(AgentInternal.CheckEnabled, '', new CheckEnabledRequest(), options);
      for await (const answer of answers) note(known, answer);
    } catch (error) {
      this.#setup.log.info({ error: messageOf(error) }, 'failed to check which agents are enabled');
      // What could not be asked now is asked again with the next job.
      if (this.#known === known) this.#known = undefined;
    }
    for (const set of [...Object.values(known.namespaces), ...Object.values(known.agentNames)]) set.end();
  }

  /** Launches that wait end without a job. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#collecting);
    await (await this.#listening)?.end();
  }
}

function growingSets(): Readonly<Record<JobType, GrowingSet<string>>> {
  return {
    [JobType.JT_ROOM]: new GrowingSet(),
    [JobType.JT_PUBLISHER]: new GrowingSet(),
    [JobType.JT_PARTICIPANT]: new GrowingSet(),
  };
}

function note(known: KnownWorkers, answer: CheckEnabledResponse): void {
  const enabled: readonly [JobType, boolean][] = [
    [JobType.JT_ROOM, answer.roomEnabled],
    [JobType.JT_PUBLISHER, answer.publisherEnabled],
    [JobType.JT_PARTICIPANT, answer.participantEnabled],
  ];
  for (const [type] of enabled.filter(([, any]) => any)) {
    for (const namespace of answer.namespaces) known.namespaces[type].add(namespace);
    for (const agentName of answer.agentNames) known.agentNames[type].add(agentName);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `JobTerminateReason` on the wire. */
const REASONS: Readonly<Record<TerminateReason, number>> = { requested: 0, agentLeft: 1 };
const KNOWN_FOR_MS = 60_000;
const COLLECT_MS = 5000;
/** Bids take one second, an answer of a worker up to ten. */
const REQUEST_MS = 12_000;
