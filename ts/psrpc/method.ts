import type { Message, MessageType } from '@bufbuild/protobuf';

/**
 * How a request finds who answers it (livekit-facts 7.2).
 *
 * - `queue`: of all servers that hear it one takes it, the first to claim it, and asks the client before it begins.
 * - `affinity`: all servers bid, the client chooses.
 * - `multi`: all servers answer.
 * - `single`: one server listens to the topic, and is not asked first.
 * - `subscription`: a message to all, without an answer.
 * - `stream`: messages both ways until one side closes; one server listens to the topic.
 */
export type MethodKind = 'queue' | 'affinity' | 'multi' | 'single' | 'subscription' | 'stream';

export interface Method<Req extends Message<Req>, Res extends Message<Res>, Kind extends MethodKind = MethodKind> {
  readonly service: string;
  readonly name: string;
  readonly kind: Kind;
  readonly request: MessageType<Req>;
  readonly response: MessageType<Res>;
}

/** One call, one answer. */
export type UnaryKind = 'queue' | 'affinity' | 'single';

/** What a server answers itself: all but subscriptions and streams. */
export type AnsweredKind = UnaryKind | 'multi';

/** Names of the parts of a topic; a single name stands for a list of one, and `''` or `[]` for none. */
export type Topic = string | readonly string[];

/** Servers that bid are chosen between, and those of a queue are told to begin. */
export function isClaimed(kind: MethodKind): boolean {
  return kind === 'queue' || kind === 'affinity';
}
