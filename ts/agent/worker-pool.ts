import { JobType } from '@livekit/protocol';
import { CheckEnabledResponse } from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { WorkerKind } from './topics.ts';
import type { Worker } from './worker.ts';

/** The workers that are connected to this node. */
export class WorkerPool {
  readonly #kinds = new Map<string, { readonly kind: WorkerKind; readonly workers: Set<Worker> }>();

  all(): Worker[] {
    return [...this.#kinds.values()].flatMap(({ workers }) => [...workers]);
  }

  /** Whether it is the first of its kind. */
  add(worker: Worker): boolean {
    const key = keyOf(worker.terms);
    const known = this.#kinds.get(key);
    if (known === undefined) this.#kinds.set(key, { kind: worker.terms, workers: new Set([worker]) });
    else known.workers.add(worker);
    return known === undefined;
  }

  /** Whether it was the last of its kind. */
  remove(worker: Worker): boolean {
    const key = keyOf(worker.terms);
    const workers = this.#kinds.get(key)?.workers;
    if (workers?.delete(worker) !== true || workers.size > 0) return false;
    return this.#kinds.delete(key);
  }

  /**
   * A worker for a job, those with less load more often; `random` is from [0, 1). `resource_exhausted` where none is left
   * but those of `except`.
   */
  choose(kind: WorkerKind, except: ReadonlySet<Worker>, random: number): Worker {
    const workers = this.#kinds.get(keyOf(kind))?.workers;
    if (workers === undefined) throw new RpcError('resource_exhausted', 'no workers available');
    const weighted: { worker: Worker; weight: number }[] = [];
    for (const worker of workers) {
      const weight = Math.max(0, 1 - worker.load);
      if (worker.available && weight > 0 && !except.has(worker)) weighted.push({ worker, weight });
    }
    let rest = random * weighted.reduce((sum, { weight }) => sum + weight, 0);
    const chosen = weighted.find(({ weight }) => {
      rest -= weight;
      return rest < 0;
    });
    const { worker } = chosen ?? weighted.at(-1) ?? {};
    if (worker === undefined) throw new RpcError('resource_exhausted', 'no workers with sufficient capacity');
    return worker;
  }

  /** This node's bid for a job: how far its workers are below `targetLoad`, summed up. */
  affinity(kind: WorkerKind, targetLoad: number): number {
    let affinity = 0;
    for (const worker of this.#kinds.get(keyOf(kind))?.workers ?? []) {
      if (worker.available) affinity += Math.max(0, targetLoad - worker.load);
    }
    return affinity;
  }

  /** Which names, namespaces and types of jobs there are workers for; not which go together. */
  summary(): CheckEnabledResponse {
    const kinds = [...this.#kinds.values()].map(({ kind }) => kind);
    const has = (type: JobType) => kinds.some((kind) => kind.type === type);
    return new CheckEnabledResponse({
      roomEnabled: has(JobType.JT_ROOM),
      publisherEnabled: has(JobType.JT_PUBLISHER),
      participantEnabled: has(JobType.JT_PARTICIPANT),
      namespaces: [...new Set(kinds.map(({ namespace }) => namespace))].sort(),
      agentNames: [...new Set(kinds.map(({ agentName }) => agentName))].sort(),
    });
  }
}

function keyOf({ agentName, namespace, deployment, type }: WorkerKind): string {
  return JSON.stringify([agentName, namespace, deployment, type]);
}
