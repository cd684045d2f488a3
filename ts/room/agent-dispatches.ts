import {
  AgentDispatch,
  AgentDispatchState,
  type CreateAgentDispatchRequest,
  type Job,
  JobType,
  RoomAgentDispatch,
  type Room as RoomMessage,
} from '@livekit/protocol';
import type { Logger } from 'pino';
import type { AgentJobs, TerminateReason } from '../agent/types.ts';
import { isDependent } from '../auth/grants.ts';
import { newGuid } from '../lib/guid.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { agentOf, Dispatch, fail, hasEnded } from './agent-dispatch.ts';
import { Background } from './background.ts';
import type { Clock } from './clock.ts';
import type { DispatchStore, RoomInternal } from './contracts.ts';
import type { WriteRight } from './room-persistence.ts';

/** A member, as far as agents are about it. */
export interface AgentsMember {
  readonly participant: {
    readonly identity: Identity;
    readonly claims: Parameters<typeof isDependent>[0];
    readonly isPublisher: boolean;
    info(): NonNullable<Job['participant']>;
  };
}

export interface AgentDispatchesParts {
  readonly room: RoomName;
  readonly internal: RoomInternal;
  /** What a former host of the room had written; empty for a new room. */
  readonly former: readonly AgentDispatch[];
  readonly jobs: AgentJobs;
  readonly store: DispatchStore;
  readonly right: WriteRight;
  readonly clock: Clock;
  readonly log: Logger;
  readonly snapshot: () => RoomMessage;
  readonly members: () => Iterable<AgentsMember>;
  /** Takes an agent out of the room that does not leave by itself. */
  readonly removeAgent: (identity: Identity) => void;
}

/**
 * Which agents a room has called for, one without a name where nothing is configured, and the jobs that came of it
 * (livekit-facts 11.2): one when the room opens, one for each participant that joins or first publishes.
 */
export class AgentDispatches {
  readonly #parts: AgentDispatchesParts;
  readonly #background: Background;
  readonly #dispatches = new Map<string, Dispatch>();
  /** Jobs by the agents that do them. */
  readonly #agents = new Map<Identity, Job>();
  /** Who has published since it came. */
  readonly #publishers = new Set<Identity>();
  /** What the store is being told. */
  readonly #writes = new Set<Promise<void>>();
  #closed = false;
  #ended = false;

  constructor(parts: AgentDispatchesParts) {
    const { internal, former } = parts;
    this.#parts = parts;
    this.#background = new Background(parts.log);
    const wanted = internal.agentDispatches.length > 0 ? internal.agentDispatches : [new RoomAgentDispatch()];
    for (const message of former.length > 0 ? former : wanted.map((one) => this.#make(one))) {
      const dispatch = new Dispatch(message);
      this.#dispatches.set(dispatch.id, dispatch);
      for (const job of dispatch.jobs) this.#follow(job);
    }
  }

  all(): AgentDispatch[] {
    return [...this.#dispatches.values()].map((dispatch) => dispatch.snapshot());
  }

  /** The room is there. */
  open(): void {
    for (const dispatch of this.#dispatches.values()) {
      this.#save(dispatch);
      this.#launch(dispatch, JobType.JT_ROOM);
    }
  }

  joined(member: AgentsMember): void {
    for (const dispatch of this.#dispatches.values()) this.#launch(dispatch, JobType.JT_PARTICIPANT, member);
  }

  /** A track of it was published; its first one counts. */
  published(member: AgentsMember): void {
    const { identity } = member.participant;
    if (this.#publishers.has(identity)) return;
    this.#publishers.add(identity);
    for (const dispatch of this.#dispatches.values()) this.#launch(dispatch, JobType.JT_PUBLISHER, member);
  }

  /** `replaced`: by another session of the same identity, so that the agent is still there. */
  left(identity: Identity, replaced: boolean): void {
    this.#publishers.delete(identity);
    const job = this.#agents.get(identity);
    if (job === undefined || replaced) return;
    this.#agents.delete(identity);
    if (this.#closed || hasEnded(job)) return;
    this.#background.run('end the job of an agent that left', async () => {
      await this.#terminate(job, 'agentLeft');
      this.#saveJob(job);
    });
  }

  /** Calls for one more agent, for who is here already too. */
  add(request: CreateAgentDispatchRequest): AgentDispatch {
    const dispatch = new Dispatch(this.#make(request));
    this.#dispatches.set(dispatch.id, dispatch);
    this.#save(dispatch);
    const answer = dispatch.snapshot();
    this.#launch(dispatch, JobType.JT_ROOM);
    for (const member of this.#parts.members()) {
      if (member.participant.isPublisher) this.#launch(dispatch, JobType.JT_PUBLISHER, member);
      this.#launch(dispatch, JobType.JT_PARTICIPANT, member);
    }
    return answer;
  }

  /** Ends its jobs too; their agents leave within 3 s. `not_found` where there is no such dispatch. */
  remove(id: string): AgentDispatch {
    const dispatch = this.#dispatches.get(id);
    if (dispatch === undefined) throw new RpcError('not_found', 'dispatch ID not found');
    this.#dispatches.delete(id);
    dispatch.removed = true;
    const { room } = this.#parts;
    this.#write('remove a dispatch', async (store) => {
      await store.remove(room, id);
      for (const job of dispatch.jobs) await store.removeJob(room, job.id);
    });
    const answer = dispatch.snapshot();
    for (const job of dispatch.jobs) this.#dismiss(job);
    return answer;
  }

  /** Writes everything anew. */
  republish(): void {
    for (const dispatch of this.#dispatches.values()) {
      this.#save(dispatch);
      for (const job of dispatch.jobs) this.#saveJob(job);
    }
  }

  /**
   * Nothing is launched or written from now on; resolves when nothing is being written. Where the room ends for good
   * (`ended`) its jobs do too; where it goes on elsewhere, agents follow it.
   */
  async close(ended: boolean): Promise<void> {
    this.#closed = true;
    this.#ended = ended;
    if (ended) for (const { jobs } of this.#dispatches.values()) for (const job of jobs) this.#dismiss(job);
    await Promise.all(this.#writes);
  }

  #make(wanted: RoomAgentDispatch | CreateAgentDispatchRequest): AgentDispatch {
    return new AgentDispatch({
      id: newGuid('AD_'),
      room: this.#parts.room,
      agentName: wanted.agentName,
      metadata: wanted.metadata,
      attributes: wanted.attributes,
      deployment: wanted.deployment,
      restartPolicy: wanted.restartPolicy,
      state: new AgentDispatchState({ createdAt: BigInt(this.#parts.clock.now()) * 1_000_000n }),
    });
  }

  /** Agents and recorders get no agents of their own. */
  #launch(dispatch: Dispatch, type: JobType, member?: AgentsMember): void {
    if (this.#closed || dispatch.removed || (member !== undefined && isDependent(member.participant.claims))) return;
    const former = dispatch.takeFormer(type, member?.participant.identity);
    if (former.length > 0) {
      this.#awaitReturn(dispatch, former, type, member);
      return;
    }
    const { agentName, metadata, deployment, attributes } = dispatch.wish;
    const offer = {
      dispatchId: dispatch.id,
      type,
      room: this.#parts.snapshot(),
      participant: member?.participant.info(),
      agentName,
      metadata,
      deployment,
      attributes,
    };
    this.#background.run('launch a job', () => this.#parts.jobs.launch(offer, (job) => this.#taken(dispatch, job)));
  }

  /** Agents that a former host of the room had come back as clients do; in place of those that don't there are new ones. */
  #awaitReturn(dispatch: Dispatch, former: readonly Job[], type: JobType, member: AgentsMember | undefined): void {
    const { clock } = this.#parts;
    clock.after(RETURN_MS, () => {
      const missing = former.filter((job) => !hasEnded(job) && this.#member(agentOf(job)) === undefined);
      for (const job of missing) {
        fail(job, 'agent did not come back', clock.now());
        this.#agents.delete(agentOf(job) as Identity);
        this.#saveJob(job);
      }
      const wanted = member === undefined || this.#member(member.participant.identity) !== undefined;
      if (wanted && missing.length === former.length) this.#launch(dispatch, type, member);
    });
  }

  #taken(dispatch: Dispatch, job: Job): void {
    if (this.#ended || dispatch.removed) this.#dismiss(job);
    if (this.#closed || dispatch.removed) return;
    const forgotten = dispatch.addJob(job);
    if (forgotten !== undefined)
      this.#write('forget a job', (store) => store.removeJob(this.#parts.room, forgotten.id));
    this.#follow(job);
    this.#saveJob(job);
  }

  #follow(job: Job): void {
    const agent = agentOf(job);
    if (agent !== '' && !hasEnded(job)) this.#agents.set(agent as Identity, job);
  }

  /** Ends a job; its agent has a little time to leave by itself. */
  #dismiss(job: Job): void {
    if (hasEnded(job)) return;
    this.#background.run('end a job', async () => {
      const heard = await this.#terminate(job, 'requested');
      const member = this.#member(agentOf(job));
      if (member === undefined || this.#closed) return;
      const { identity } = member.participant;
      const remove = () => {
        if (this.#member(identity) === member) this.#parts.removeAgent(identity);
      };
      if (heard) this.#parts.clock.after(LEAVE_MS, remove);
      else remove();
    });
  }

  /** Whether its worker heard of it; where it is gone the job has failed. */
  async #terminate(job: Job, reason: TerminateReason): Promise<boolean> {
    const { jobs, clock, log } = this.#parts;
    try {
      const state = await jobs.terminate(job.id, reason);
      if (state.participantIdentity === '') state.participantIdentity = agentOf(job);
      job.state = state;
      return true;
    } catch (error) {
      log.info({ error, jobID: job.id, participant: agentOf(job) }, 'failed sending TerminateJob RPC');
      fail(job, reason === 'agentLeft' ? 'agent worker left the room' : 'agent worker is gone', clock.now());
      return false;
    }
  }

  #member(identity: string): AgentsMember | undefined {
    for (const member of this.#parts.members()) if (member.participant.identity === identity) return member;
    return undefined;
  }

  #save(dispatch: Dispatch): void {
    this.#write('store a dispatch', (store) => store.store(dispatch.snapshot()));
  }

  #saveJob(job: Job): void {
    if (this.#dispatches.has(job.dispatchId)) this.#write('store a job', (store) => store.storeJob(job));
  }

  /** What the store misses while it is away, or the room not ours, it gets when the room is published anew. */
  #write(what: string, write: (store: DispatchStore) => Promise<void>): void {
    const { store, right, room, log } = this.#parts;
    if (this.#closed || !right.holds(room)) return;
    const writing = write(store)
      .catch((error: unknown) => log.warn({ error }, `could not ${what}`))
      .finally(() => this.#writes.delete(writing));
    this.#writes.add(writing);
  }
}

/** How long an agent may take to leave by itself. */
const LEAVE_MS = 3000;
/** Longer than clients take to find the room again. */
const RETURN_MS = 20_000;
