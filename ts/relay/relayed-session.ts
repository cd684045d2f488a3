import { SignalRequest, SignalResponse } from '@livekit/protocol';
import { RelaySignalRequest, type RelaySignalResponse } from '../gen/rpc_pb.ts';
import { deferred } from '../lib/deferred.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcStream } from '../psrpc/stream.ts';
import { leaveRequest } from '../room/close-reason.ts';
import { protocolGates } from '../room/protocol-gates.ts';
import type {
  DataRequests,
  JoinParams,
  NegotiationRequests,
  ParticipantRequests,
  PublishingRequests,
  SignalSession,
  SignalSink,
  SubscribingRequests,
} from '../signal/types.ts';
import { mergeRequests } from './merge.ts';
import { NodeGone } from './node-gone.ts';
import type { RelayParts } from './relayed-sessions.ts';
import { SignalReader } from './signal-reader.ts';
import { SignalWriter } from './signal-writer.ts';
import { toStartSession } from './start-session.ts';

type Request = SignalRequest['message'];

/**
 * A session that another node has: what its client asks goes there, what comes from there goes to the client.
 *
 * ```
 * starting ──first message──► open ──client gone──► draining ──acknowledged──► over
 *    └──refused, no answer──►   └──session ended, relay broken, node gone─────►
 * ```
 */
export class RelayedSession implements SignalSession {
  readonly negotiation: NegotiationRequests;
  readonly publishing: PublishingRequests;
  readonly subscribing: SubscribingRequests;
  readonly data: DataRequests;
  readonly participant: ParticipantRequests;
  readonly #parts: RelayParts;
  readonly #stream: RpcStream<RelaySignalRequest, RelaySignalResponse>;
  readonly #sink: SignalSink;
  readonly #params: JoinParams;
  readonly #onOver: () => void;
  readonly #reader = new SignalReader();
  readonly #writer: SignalWriter<SignalRequest>;
  readonly #first = deferred<void>();
  #state: 'starting' | 'open' | 'draining' | 'over' = 'starting';

  constructor(
    parts: RelayParts,
    stream: RpcStream<RelaySignalRequest, RelaySignalResponse>,
    params: JoinParams,
    sink: SignalSink,
    onOver: () => void,
  ) {
    this.#parts = parts;
    this.#stream = stream;
    this.#params = params;
    this.#sink = sink;
    this.#onOver = onOver;
    this.#writer = new SignalWriter({
      settings: parts.settings,
      clock: parts.clock,
      link: parts.link,
      send: ({ seq, signals, close }, timeoutMs) =>
        stream.send(new RelaySignalRequest({ seq, requests: [...signals], close }), timeoutMs),
      onDone: (error) => this.#written(error),
      merge: mergeRequests,
    });
    this.negotiation = { offer: this.#as('offer'), answer: this.#as('answer'), trickle: this.#as('trickle') };
    this.publishing = {
      addTrack: this.#as('addTrack'),
      mute: this.#as('mute'),
      updateAudioTrack: this.#as('updateAudioTrack'),
      updateVideoTrack: this.#as('updateVideoTrack'),
      subscriptionPermission: this.#as('subscriptionPermission'),
    };
    this.subscribing = { subscription: this.#as('subscription'), trackSetting: this.#as('trackSetting') };
    this.data = {
      publishDataTrack: this.#as('publishDataTrackRequest'),
      unpublishDataTrack: this.#as('unpublishDataTrackRequest'),
      updateDataSubscription: this.#as('updateDataSubscription'),
      storeDataBlob: this.#as('storeDataBlobRequest'),
      getDataBlob: this.#as('getDataBlobRequest'),
    };
    this.participant = {
      leave: this.#as('leave'),
      syncState: this.#as('syncState'),
      simulate: this.#as('simulate'),
      updateMetadata: this.#as('updateMetadata'),
      ping: (ping) => this.#write(ping === undefined ? { case: 'ping', value: 0n } : { case: 'pingReq', value: ping }),
    };
  }

  /** Resolves with the first message from the room; rejects where it does not let the client in. */
  async begin(abandoned: AbortSignal): Promise<void> {
    // Whoever stops waiting is told by `abandoned`.
    this.#first.promise.catch(() => {});
    const giveUp = () => this.#fail(new RpcError('canceled', 'the client went away'));
    abandoned.addEventListener('abort', giveUp, { once: true });
    try {
      this.#stream.listen(
        (message) => this.#receive(message),
        (error) => this.#streamClosed(error),
      );
      if (abandoned.aborted) giveUp();
      const started = this.#stream.send(new RelaySignalRequest({ startSession: toStartSession(this.#params) }));
      started.catch((error: unknown) => this.#fail(asError(error)));
      await this.#first.promise;
    } finally {
      abandoned.removeEventListener('abort', giveUp);
    }
  }

  closed(): void {
    if (this.#state === 'starting') this.#fail(new RpcError('canceled', 'the client went away'));
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    this.#writer.close();
  }

  /** The room's node is no more: the client need not find that out by itself. */
  nodeGone(): void {
    if (this.#state === 'open') {
      const supportsAction = protocolGates(this.#params.client.protocol).leaveAction;
      const value = leaveRequest('serverShutdown', 'reconnect', supportsAction);
      if (value !== undefined) this.#sink.send(new SignalResponse({ message: { case: 'leave', value } }));
      this.#parts.figures.broken += 1;
    }
    this.#fail(new NodeGone());
  }

  /** A method that sends its argument on as this case of a request. */
  #as<Case extends Exclude<Request['case'], undefined>>(
    kind: Case,
  ): (value: Extract<Request, { case: Case }>['value']) => void {
    return (value) => this.#write({ case: kind, value } as Request);
  }

  #write(message: Request): void {
    if (this.#state === 'open') this.#writer.write(new SignalRequest({ message }));
  }

  #receive({ seq, responses, close }: RelaySignalResponse): void {
    if (this.#state === 'over') return;
    const fresh = this.#reader.take(seq, responses);
    if (fresh === undefined) {
      this.#break(new RpcError('data_loss', 'signals from the other node are missing'));
      return;
    }
    for (const response of fresh) this.#sink.send(response);
    if (this.#state === 'starting' && fresh.length > 0) {
      this.#state = 'open';
      this.#first.resolve();
    }
    if (close) this.#fail(undefined);
  }

  #streamClosed(error: RpcError | undefined): void {
    if (this.#state === 'open' && error !== undefined) this.#break(error);
    else this.#fail(error);
  }

  #written(error: RpcError | undefined): void {
    if (error === undefined) this.#fail(undefined);
    else this.#break(error);
  }

  #break(error: RpcError): void {
    if (this.#state === 'over') return;
    this.#parts.figures.broken += 1;
    const { room, identity, connectionId } = this.#params;
    const fields = { room, participant: identity, connID: connectionId, nodeID: this.#parts.node, error };
    this.#parts.log.warn(fields, 'signal relay broke');
    this.#fail(error);
  }

  /** The end, whatever led to it: the client's socket closes, and it may come back. */
  #fail(error: RpcError | undefined): void {
    if (this.#state === 'over') return;
    // Whoever waits for a first message hears of it by the rejection, and may try another node.
    const starting = this.#state === 'starting';
    this.#state = 'over';
    this.#writer.abandon();
    this.#stream.close(error);
    this.#first.reject(error ?? new RpcError('internal', 'connection closed by media'));
    if (!starting) this.#sink.close();
    this.#onOver();
  }
}

function asError(error: unknown): RpcError {
  return error instanceof RpcError ? error : new RpcError('internal', String(error));
}
