/** Errors as they travel: a code, a text, and messages that some attach. */

import { Any } from '@bufbuild/protobuf';
import { isRpcCode, type RpcCode, RpcError } from '../lib/rpc-error.ts';

export interface WireFailure {
  readonly code: string;
  readonly error: string;
  readonly errorDetails: Any[];
}

/** An error that is not meant for callers goes out as `internal`. The text is never empty: that would be success. */
export function toWire(error: unknown): WireFailure {
  const { code, message, details } = asRpcError(error);
  return { code, error: message || code, errorDetails: details.map((detail) => new Any(detail)) };
}

/** A code that is not known becomes `unknown`. */
export function fromWire(code: string, text: string, details: readonly Any[] = []): RpcError {
  const known = isRpcCode(code) ? code : 'unknown';
  return new RpcError(known, text, undefined, {
    details: details.map(({ typeUrl, value }) => ({ typeUrl, value })),
  });
}

export function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new RpcError('internal', text, undefined, { cause: error });
}

export function codeOf(error: unknown): RpcCode {
  return error instanceof RpcError ? error.code : 'internal';
}

export const timedOut = () => new RpcError('deadline_exceeded', 'request timed out');
export const canceled = () => new RpcError('canceled', 'request canceled');
export const noResponse = () => new RpcError('unavailable', 'no response from servers');
export const clientClosed = () => new RpcError('canceled', 'client is closed');
export const serverClosed = () => new RpcError('canceled', 'server is closed');
export const streamClosed = () => new RpcError('canceled', 'stream closed');

/** How a server ends its streams when it stops. */
export const streamEnded = () => new RpcError('unavailable', 'EOF');

/** Whether this says that a stream was simply ended. */
export function isStreamClosed({ code, message }: RpcError): boolean {
  const plain = streamClosed();
  return code === plain.code && message === plain.message;
}
