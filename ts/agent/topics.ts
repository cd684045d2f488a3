/** Where jobs for workers of one kind are asked for (livekit-facts 7.3). */

import { JobType } from '@livekit/protocol';

/** What workers are told apart by; all workers of one kind may take the same jobs. */
export interface WorkerKind {
  readonly agentName: string;
  readonly namespace: string;
  readonly deployment: string;
  readonly type: JobType;
}

/** The two parts of a topic. Kinds may share one: who hears a job looks at the job itself. */
export function jobTopic({ agentName, namespace, deployment, type }: WorkerKind): readonly [string, string] {
  const name = [agentName, namespace].filter((part) => part !== '').join('_');
  return [deployment === '' ? name : `${name}_${deployment}`, TYPE_TOPICS[type]];
}

export function isJobType(type: number): type is JobType {
  return Object.hasOwn(TYPE_TOPICS, type);
}

const TYPE_TOPICS: Readonly<Record<JobType, string>> = {
  [JobType.JT_ROOM]: 'room',
  [JobType.JT_PUBLISHER]: 'publisher',
  [JobType.JT_PARTICIPANT]: 'participant',
};
