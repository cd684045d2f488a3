import type { RpcCode } from '../lib/rpc-error.ts';

export type RpcRole = 'client' | 'server';

/** One call as metrics label it: `multi` where all servers answer. */
export interface CallLabels {
  readonly role: RpcRole;
  readonly kind: 'rpc' | 'multi';
  readonly service: string;
  readonly method: string;
}

export interface StreamLabels {
  readonly role: RpcRole;
  readonly service: string;
  readonly method: string;
}

export interface MethodLabels {
  readonly service: string;
  readonly method: string;
}

export interface CallOutcome {
  /** From the first attempt to the last answer. */
  readonly ms: number;
  /** Of the messages themselves, without what carries them. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly error: RpcCode | undefined;
  /** Of a `multi` call: how many servers answered, and how many of those with an error. Else 1 and 0, or 0 and 1. */
  readonly responses: number;
  readonly errors: number;
}

/** `granted`: we handle it. `lost`: another server does. `timedOut`: the client never said. */
export type ClaimOutcome = 'granted' | 'lost' | 'timedOut';

/** `junk`: not a message of the expected form. `overflow`: more than the receiver keeps. `late`: nobody waits any more. */
export type DropReason = 'junk' | 'overflow' | 'late' | 'unclaimable';

/** What metrics are told (livekit-facts 10, `livekit_psrpc_*`). Calls must not throw. */
export interface RpcObserver {
  requestDone(labels: CallLabels, outcome: CallOutcome): void;
  requestReceived(labels: MethodLabels): void;
  /** It came `lateMs` after its end. */
  requestExpired(labels: MethodLabels, lateMs: number): void;
  claimDecided(labels: MethodLabels, outcome: ClaimOutcome, waitMs: number): void;
  streamOpened(labels: StreamLabels): void;
  streamClosed(labels: StreamLabels): void;
  streamSent(labels: StreamLabels, ms: number, bytes: number, error: RpcCode | undefined): void;
  streamReceived(labels: StreamLabels, bytes: number): void;
  dropped(service: string, reason: DropReason): void;
}

export const unobserved: RpcObserver = {
  requestDone() {},
  requestReceived() {},
  requestExpired() {},
  claimDecided() {},
  streamOpened() {},
  streamClosed() {},
  streamSent() {},
  streamReceived() {},
  dropped() {},
};
