import { AgentDispatch, AgentDispatchState, Job, ParticipantInfo } from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Keyspace } from './keyspace.ts';
import { dispatchesOf, jobsOf } from './store-keys.ts';
import { decodeAll } from './store-records.ts';
import type { DispatchStore } from './types.ts';

export class StoredDispatches implements DispatchStore {
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  async list(room: RoomName): Promise<AgentDispatch[]> {
    const [dispatches, jobs] = await Promise.all([
      decodeAll(this.#keyspace, dispatchesOf(room), AgentDispatch),
      this.listJobs(room),
    ]);
    for (const job of jobs) {
      const dispatch = dispatches.get(job.dispatchId);
      if (dispatch === undefined) continue;
      dispatch.state ??= new AgentDispatchState();
      dispatch.state.jobs.push(job);
    }
    return [...dispatches.values()];
  }

  async store(dispatch: AgentDispatch): Promise<void> {
    const record = dispatch.clone();
    if (record.state !== undefined) record.state.jobs = [];
    await this.#keyspace.hashSet(dispatchesOf(dispatch.room as RoomName), dispatch.id, record.toBinary());
  }

  async remove(room: RoomName, id: string): Promise<void> {
    await this.#keyspace.hashRemove(dispatchesOf(room), id);
  }

  async listJobs(room: RoomName): Promise<Job[]> {
    return [...(await decodeAll(this.#keyspace, jobsOf(room), Job)).values()];
  }

  async storeJob(job: Job): Promise<void> {
    const room = job.room?.name ?? '';
    if (room === '') throw new RpcError('invalid_argument', "job doesn't have a valid Room field");
    const record = job.clone();
    delete record.room;
    if (record.participant !== undefined) {
      record.participant = new ParticipantInfo({ identity: record.participant.identity });
    }
    await this.#keyspace.hashSet(jobsOf(room as RoomName), job.id, record.toBinary());
  }

  async removeJob(room: RoomName, id: string): Promise<void> {
    await this.#keyspace.hashRemove(jobsOf(room), id);
  }
}
