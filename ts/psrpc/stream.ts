import type { Message } from '@bufbuild/protobuf';
import type { RpcError } from '../lib/rpc-error.ts';

/** Messages both ways between a client and a server until one of them closes. */
export interface RpcStream<Send extends Message<Send>, Receive extends Message<Receive>> {
  /** What the client told the server when it opened the stream. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The far side's id: for a server the client's, for a client `''`. */
  readonly remoteId: string;
  /** Resolves when the far side has the message; rejects after the timeout, or when the stream ends first. */
  send(message: Send): Promise<void>;
  /**
   * Messages that came before are kept until this is called, up to a bound, and then told first. `onClosed` is called
   * once, whichever side closed: with what went wrong, or with nothing where the stream was simply ended.
   */
  listen(onMessage: (message: Receive) => void, onClosed: (error: RpcError | undefined) => void): void;
  /** Tells the far side. Idempotent. */
  close(error?: RpcError): void;
}
