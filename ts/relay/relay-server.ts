/** Takes sessions of clients whose sockets are on other nodes, livekit-server's among them (livekit-facts 7.3). */

import type { SignalResponse } from '@livekit/protocol';
import type { Link } from '../cluster/keyspace.ts';
import { type RelaySignalRequest, RelaySignalResponse } from '../gen/rpc_pb.ts';
import type { NodeId } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcLog } from '../psrpc/log.ts';
import type { Registration, RpcServer } from '../psrpc/server.ts';
import { Signal } from '../psrpc/services.ts';
import type { RpcStream } from '../psrpc/stream.ts';
import type { Clock, Timer } from '../room/clock.ts';
import { dispatch } from '../signal/dispatch.ts';
import type { SessionHost, SignalSession, SignalSink } from '../signal/types.ts';
import type { RelayFigures } from './figures.ts';
import { mergeResponses } from './merge.ts';
import type { RelaySettings } from './settings.ts';
import { SignalReader } from './signal-reader.ts';
import { SignalWriter } from './signal-writer.ts';
import { fromStartSession } from './start-session.ts';

export interface RelayServerParts {
  readonly self: NodeId;
  readonly server: RpcServer;
  readonly host: SessionHost;
  readonly settings: RelaySettings;
  readonly link: Link;
  readonly clock: Clock;
  readonly figures: RelayFigures;
  readonly log: RpcLog;
}

export class RelayServer {
  readonly #parts: RelayServerParts;
  readonly #sessions = new Set<TakenSession>();
  #registration: Registration | undefined;

  constructor(parts: RelayServerParts) {
    this.#parts = parts;
  }

  /** Resolves when sessions can come. */
  async start(): Promise<void> {
    const { server, self } = this.#parts;
    this.#registration = await server.handleStream(Signal.RelaySignal, self, (stream) => this.#take(stream));
  }

  /** No session comes from now on; those that are here go on. Idempotent. */
  async stop(): Promise<void> {
    await this.#registration?.end();
  }

  /** Sockets on that node are no more; their participants may come back by other nodes. */
  nodeGone(node: NodeId): void {
    for (const session of [...this.#sessions]) if (session.from === node) session.lost();
  }

  #take(stream: RpcStream<RelaySignalResponse, RelaySignalRequest>): void {
    const { figures } = this.#parts;
    const session: TakenSession = new TakenSession(this.#parts, stream, () => {
      if (this.#sessions.delete(session)) figures.in -= 1;
    });
    this.#sessions.add(session);
    figures.in += 1;
    session.listen();
  }
}

/**
 * A session whose client is elsewhere.
 *
 * ```
 * waiting ──StartSession──► starting ──the host took it──► open ──close on either side──► over
 *    └──retry timeout──►       └──refused──►
 * ```
 */
class TakenSession implements SignalSink {
  readonly #parts: RelayServerParts;
  readonly #stream: RpcStream<RelaySignalResponse, RelaySignalRequest>;
  readonly #onOver: () => void;
  readonly #reader = new SignalReader();
  readonly #writer: SignalWriter<SignalResponse>;
  readonly #abandoned = new AbortController();
  readonly #patience: Timer;
  /** What the client asked before the host took it. */
  #early: RelaySignalRequest['requests'] = [];
  #state:
    | { readonly name: 'waiting' | 'starting' | 'over' }
    | { readonly name: 'open'; readonly session: SignalSession } = { name: 'waiting' };

  constructor(parts: RelayServerParts, stream: RpcStream<RelaySignalResponse, RelaySignalRequest>, onOver: () => void) {
    const { settings, clock, link } = parts;
    this.#parts = parts;
    this.#stream = stream;
    this.#onOver = onOver;
    this.#writer = new SignalWriter({
      settings,
      clock,
      link,
      send: ({ seq, signals, close }, timeoutMs) =>
        stream.send(new RelaySignalResponse({ seq, responses: [...signals], close }), timeoutMs),
      onDone: (error) => this.#end(error),
      merge: mergeResponses,
    });
    this.#patience = clock.after(settings.retryTimeoutMs, () => {
      if (this.#state.name === 'waiting') this.#end(new RpcError('internal', 'timeout waiting for start session'));
    });
  }

  /** The node that the client's socket is on. */
  get from(): string {
    return this.#stream.remoteId;
  }

  listen(): void {
    this.#stream.listen(
      (message) => this.#receive(message),
      (error) => this.#end(error),
    );
  }

  send(message: SignalResponse): void {
    this.#writer.write(message);
  }

  sendShared(message: SignalResponse): void {
    this.#writer.write(message);
  }

  close(): void {
    this.#writer.close();
  }

  lost(): void {
    this.#end(new RpcError('unavailable', 'the node of the client is gone'));
  }

  #receive({ startSession, requests, seq, close }: RelaySignalRequest): void {
    if (this.#state.name === 'waiting') {
      if (startSession === undefined) this.#end(new RpcError('malformed_request', 'expected start session message'));
      else this.#start(startSession);
      return;
    }
    const fresh = this.#reader.take(seq, requests);
    if (fresh === undefined) {
      this.#end(new RpcError('data_loss', 'signals from the other node are missing'));
      return;
    }
    for (const request of fresh) {
      if (this.#state.name === 'open') dispatch(this.#state.session, request);
      else this.#early.push(request);
    }
    if (close) this.#end(undefined);
  }

  #start(start: NonNullable<RelaySignalRequest['startSession']>): void {
    this.#state = { name: 'starting' };
    this.#patience.cancel();
    this.#begin(start).catch((error: unknown) => {
      this.#parts.log.warn({ room: start.roomName, participant: start.identity, error }, 'could not start a session');
      this.#end(error instanceof RpcError ? error : new RpcError('internal', String(error)));
    });
  }

  async #begin(start: NonNullable<RelaySignalRequest['startSession']>): Promise<void> {
    const session = await this.#parts.host.startSession(fromStartSession(start), this, this.#abandoned.signal);
    if (this.#state.name !== 'starting') {
      session.closed(true);
      return;
    }
    this.#state = { name: 'open', session };
    const early = this.#early;
    this.#early = [];
    for (const request of early) dispatch(session, request);
  }

  /** Idempotent. Without an error, as the other side or the session wished. */
  #end(error: RpcError | undefined): void {
    const state = this.#state;
    if (state.name === 'over') return;
    this.#state = { name: 'over' };
    if (error !== undefined && state.name === 'open') this.#parts.figures.broken += 1;
    this.#patience.cancel();
    this.#writer.abandon();
    this.#abandoned.abort();
    this.#stream.close(error);
    this.#onOver();
    if (state.name === 'open') state.session.closed(error === undefined);
  }
}
