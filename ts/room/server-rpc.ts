/**
 * Calls of clients' methods by the server (livekit-facts 4.7). Each call has an identity of its own that the client
 * answers to; the media plane hands such answers to us.
 *
 *     called ──ack within 2 s──▶ acknowledged ──response within its timeout──▶ done
 */

import { randomUUID } from 'node:crypto';
import { DataPacket, DataPacket_Kind, type PerformRpcRequest, RpcRequest, type RpcResponse } from '@livekit/protocol';
import { type RpcCode, RpcError } from '../lib/rpc-error.ts';
import type { Clock, Timer } from './clock.ts';

export interface RpcCarrier {
  send(packet: DataPacket, destination: string): void;
  /** The identities whose packets come to us, replacing the former ones. */
  setSinks(identities: string[]): void;
}

interface Call {
  destination: string;
  /** Undefined once acknowledged. */
  ack: Timer | undefined;
  response: Timer;
  settle: (result: { payload: string } | { error: RpcError }) => void;
}

export class ServerRpc {
  readonly #clock: Clock;
  readonly #carrier: RpcCarrier;
  readonly #calls = new Map<string, Call>();

  constructor(clock: Clock, carrier: RpcCarrier) {
    this.#clock = clock;
    this.#carrier = carrier;
  }

  /** Resolves with the response's payload; rejects with the code that an RPC error of the client stands for. */
  perform(request: PerformRpcRequest): Promise<string> {
    if (Buffer.byteLength(request.payload) > MAX_PAYLOAD) {
      return Promise.reject(builtInError(REQUEST_PAYLOAD_TOO_LARGE));
    }
    const timeoutMs = request.responseTimeoutMs > 0 ? request.responseTimeoutMs : DEFAULT_RESPONSE_MS;
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      const settle: Call['settle'] = (result) => {
        this.#forget(id);
        if ('error' in result) reject(result.error);
        else resolve(result.payload);
      };
      const fail = (code: number) => () => settle({ error: builtInError(code) });
      this.#calls.set(id, {
        destination: request.destinationIdentity,
        ack: this.#clock.after(ACK_MS, fail(CONNECTION_TIMEOUT)),
        response: this.#clock.after(timeoutMs, fail(RESPONSE_TIMEOUT)),
        settle,
      });
      this.#updateSinks();
      this.#carrier.send(requestPacket(id, request, timeoutMs), request.destinationIdentity);
    });
  }

  /** A packet addressed to one of our calls, base64. */
  receive(id: string, packet: string): void {
    const call = this.#calls.get(id);
    const value = parse(packet)?.value;
    if (call === undefined || value === undefined) return;
    if (value.case === 'rpcAck' && value.value.requestId === id) {
      call.ack?.cancel();
      call.ack = undefined;
    } else if (value.case === 'rpcResponse' && value.value.requestId === id) {
      call.settle(outcome(value.value));
    }
  }

  /** Nobody with this identity is there to answer any more. */
  left(identity: string): void {
    for (const call of [...this.#calls.values()]) {
      if (call.destination === identity) call.settle({ error: builtInError(RECIPIENT_DISCONNECTED) });
    }
  }

  #forget(id: string): void {
    const call = this.#calls.get(id);
    call?.ack?.cancel();
    call?.response.cancel();
    if (this.#calls.delete(id)) this.#updateSinks();
  }

  #updateSinks(): void {
    this.#carrier.setSinks([...this.#calls.keys()]);
  }

  close(): void {
    for (const call of [...this.#calls.values()]) call.settle({ error: builtInError(RECIPIENT_DISCONNECTED) });
  }
}

function requestPacket(id: string, request: PerformRpcRequest, responseTimeoutMs: number): DataPacket {
  const { method, payload } = request;
  const value = new RpcRequest({ id, method, payload, responseTimeoutMs, version: 1 });
  return new DataPacket({
    kind: DataPacket_Kind.RELIABLE,
    participantIdentity: id,
    destinationIdentities: [request.destinationIdentity],
    value: { case: 'rpcRequest', value },
  });
}

function outcome({ value }: RpcResponse): { payload: string } | { error: RpcError } {
  switch (value.case) {
    case 'payload':
      return { payload: value.value };
    case 'error':
      return { error: rpcError(value.value.code, value.value.message, value.value.data) };
    default:
      return { error: builtInError(APPLICATION_ERROR) };
  }
}

function parse(packet: string): DataPacket | undefined {
  try {
    return DataPacket.fromBinary(Buffer.from(packet, 'base64'));
  } catch {
    // A client's packet of another shape answers nothing.
    return undefined;
  }
}

function builtInError(code: number): RpcError {
  return rpcError(code, BUILT_IN[code]?.[1] ?? '', '');
}

/** Built-in codes have a meaning of their own; the application's count as internal. */
function rpcError(code: number, message: string, data: string): RpcError {
  const text = [`RpcError ${code}`, message, ...(data === '' ? [] : [data])].join(': ');
  return new RpcError(BUILT_IN[code]?.[0] ?? 'internal', text);
}

const APPLICATION_ERROR = 1500;
const CONNECTION_TIMEOUT = 1501;
const RESPONSE_TIMEOUT = 1502;
const RECIPIENT_DISCONNECTED = 1503;
const REQUEST_PAYLOAD_TOO_LARGE = 1402;

/** What clients of all SDKs call these codes, and the code a caller of the API gets. */
const BUILT_IN: Record<number, [RpcCode, string]> = {
  1400: ['invalid_argument', 'Method not supported at destination'],
  1401: ['not_found', 'Recipient not found'],
  [REQUEST_PAYLOAD_TOO_LARGE]: ['malformed_request', 'Request payload too large'],
  1403: ['unimplemented', 'RPC not supported by server'],
  1404: ['unimplemented', 'Unsupported RPC version'],
  [APPLICATION_ERROR]: ['internal', 'Application error in method handler'],
  [CONNECTION_TIMEOUT]: ['canceled', 'Connection timeout'],
  [RESPONSE_TIMEOUT]: ['canceled', 'Response timeout'],
  [RECIPIENT_DISCONNECTED]: ['unavailable', 'Recipient disconnected'],
  1504: ['internal', 'Response payload too large'],
  1505: ['internal', 'Failed to send'],
};

/** Longer than any round trip to a client that is there. */
const ACK_MS = 2000;
const DEFAULT_RESPONSE_MS = 10_000;
const MAX_PAYLOAD = 15 * 1024;
