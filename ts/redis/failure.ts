import { RpcError } from '../lib/rpc-error.ts';

/** What a caller of the cluster's state hears of Redis's errors: it is not available, or we asked wrongly. */
export function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === 'ReplyError' && !AWAY.test(text)) {
    return new RpcError('internal', `redis: ${text}`, undefined, { cause: error });
  }
  return notAvailable(text, error);
}

export function notAvailable(reason: string, cause?: unknown): RpcError {
  return new RpcError('unavailable', `redis is not available: ${reason}`, undefined, { cause });
}

/** Whether Redis answers and yet can't be used: by anybody, not for this one command. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && REFUSAL.test(error.message);
}

/** Whether the server is no master any longer: another one is. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && /^READONLY\b/.test(error.message);
}

const REFUSAL = /^(READONLY|OOM|MISCONF|NOAUTH|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|NOREPLICAS)\b/;
const AWAY = new RegExp(
  `${REFUSAL.source}|^(WRONGPASS|NOPERM|MOVED|ASK|TRYAGAIN|UNBLOCKED)\\b|max number of clients|Redis is shutting down`,
);
