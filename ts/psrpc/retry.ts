import { RpcError } from '../lib/rpc-error.ts';
import { canceled } from './failure.ts';

export interface RetryPolicy {
  /** Milliseconds of the first attempt. */
  readonly timeoutMs: number;
  /** The first included. */
  readonly maxAttempts: number;
  /** Milliseconds that each attempt may take longer than the one before. */
  readonly backoffMs: number;
}

/** Attempts follow each other at once while nobody answers in time; any other error ends them. */
export async function withRetries<T>(
  { timeoutMs, maxAttempts, backoffMs }: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  for (let made = 1; ; made += 1) {
    if (signal?.aborted) throw canceled();
    try {
      return await attempt(timeoutMs + (made - 1) * backoffMs);
    } catch (error) {
      if (made >= maxAttempts || !isWorthAnotherAttempt(error)) throw error;
    }
  }
}

function isWorthAnotherAttempt(error: unknown): boolean {
  return error instanceof RpcError && (error.code === 'deadline_exceeded' || error.code === 'unavailable');
}
