/** The Twirp protocol over any HTTP server: routes, encodings and errors as livekit-server's (livekit-facts 5.1). */

import type { Message, MessageType } from '@bufbuild/protobuf';
import type { Claims } from '../auth/grants.ts';
import { type RpcCode, RpcError } from '../lib/rpc-error.ts';
import { encode } from './encode.ts';
import { errorMeta } from './error-details.ts';
import { fromTwirpJson } from './json.ts';

/** One POST, its body complete. */
export interface TwirpRequest {
  method: string;
  /** Below `/twirp/`, for example `/twirp/livekit.RoomService/ListRooms`. */
  path: string;
  contentType: string;
  body: Uint8Array;
  /** Undefined without a token. */
  claims: Claims | undefined;
  /** How long the caller waits, in milliseconds, where it says so. */
  timeoutMs?: number | undefined;
}

export interface TwirpReply {
  status: number;
  contentType: string;
  body: string | Uint8Array;
}

/** One method of a service. */
export interface TwirpMethod {
  call(body: Uint8Array, json: boolean, claims: Claims | undefined, timeoutMs?: number): Promise<Message>;
}

/** Methods by name, for example `ListRooms`. */
export type TwirpService = Record<string, TwirpMethod>;

/** A method from its request type and what it does; a body that can't be read is `malformed`. */
export function method<I extends Message<I>>(
  input: MessageType<I>,
  run: (request: I, claims: Claims | undefined, timeoutMs: number | undefined) => Promise<Message>,
): TwirpMethod {
  return {
    call: (body, json, claims, timeoutMs) => run(decode(input, body, json), claims, timeoutMs),
  };
}

class Malformed extends Error {}

function decode<I extends Message<I>>(input: MessageType<I>, body: Uint8Array, json: boolean): I {
  try {
    return json ? fromTwirpJson(input, new TextDecoder('utf-8', { fatal: true }).decode(body)) : input.fromBinary(body);
  } catch {
    throw new Malformed(`the ${json ? 'json' : 'protobuf'} request could not be decoded`);
  }
}

/** Calls the method a request names and writes its answer in the request's encoding. Never rejects. */
export class TwirpRouter {
  readonly #services: Record<string, TwirpService>;
  readonly #onError: (error: unknown, path: string) => void;
  readonly #onAnswer: TwirpObserver;

  /**
   * `services` by full name, for example `livekit.RoomService`. `onError` hears of bugs, answered as `internal`; `onAnswer`
   * of every call of a method that there is.
   */
  constructor(
    services: Record<string, TwirpService>,
    onError: (error: unknown, path: string) => void,
    onAnswer: TwirpObserver = () => {},
  ) {
    this.#services = services;
    this.#onError = onError;
    this.#onAnswer = onAnswer;
  }

  async handle(request: TwirpRequest): Promise<TwirpReply> {
    const [, , serviceName = '', methodName = '', ...rest] = request.path.split('/');
    if (request.method !== 'POST') {
      return badRoute(`unsupported method ${JSON.stringify(request.method)} (only POST is allowed)`, request);
    }
    const service = Object.hasOwn(this.#services, serviceName) ? this.#services[serviceName] : undefined;
    const known = service !== undefined && rest.length === 0 && Object.hasOwn(service, methodName);
    const found = known ? service[methodName] : undefined;
    if (found === undefined) return badRoute(`no handler for path ${JSON.stringify(request.path)}`, request);
    const type = request.contentType.split(';')[0]?.trim().toLowerCase() ?? '';
    if (type !== 'application/json' && type !== 'application/protobuf') {
      return badRoute(`unexpected Content-Type: ${JSON.stringify(request.contentType)}`, request);
    }
    const started = performance.now();
    const told = (status: number, code: string) =>
      this.#onAnswer(serviceName, methodName, status, code, performance.now() - started);
    const json = type === 'application/json';
    try {
      const answer = await found.call(request.body, json, request.claims, request.timeoutMs);
      const body = await encode(answer, json);
      told(200, '');
      return { status: 200, contentType: type, body };
    } catch (error) {
      const { status, code, message, meta } = this.#failure(error, request.path);
      told(status, code);
      return errorReply(status, code, message, meta);
    }
  }

  #failure(error: unknown, path: string): Failure {
    if (error instanceof Malformed) return { status: 400, code: 'malformed', message: error.message, meta: undefined };
    if (error instanceof RpcError) return { ...TWIRP[error.code], message: error.message, meta: errorMeta(error) };
    this.#onError(error, path);
    return { status: 500, code: 'internal', message: 'internal error', meta: undefined };
  }
}

/** Hears how a call ended: HTTP status, Twirp code (empty for success), and milliseconds. */
export type TwirpObserver = (service: string, method: string, status: number, code: string, ms: number) => void;

interface Failure {
  status: number;
  code: string;
  message: string;
  meta: Readonly<Record<string, string>> | undefined;
}

function badRoute(message: string, request: TwirpRequest): TwirpReply {
  return errorReply(404, 'bad_route', message, { twirp_invalid_route: `${request.method} ${request.path}` });
}

function errorReply(status: number, code: string, msg: string, meta?: Readonly<Record<string, string>>): TwirpReply {
  const body = JSON.stringify(meta === undefined ? { code, msg } : { code, msg, meta });
  return { status, contentType: 'application/json', body };
}

/** Twirp has codes of its own for some, and other statuses than psrpc's. */
const TWIRP: Record<RpcCode, { code: string; status: number }> = {
  canceled: { code: 'canceled', status: 408 },
  unknown: { code: 'unknown', status: 500 },
  invalid_argument: { code: 'invalid_argument', status: 400 },
  malformed_request: { code: 'malformed', status: 400 },
  deadline_exceeded: { code: 'deadline_exceeded', status: 408 },
  not_found: { code: 'not_found', status: 404 },
  not_acceptable: { code: 'invalid_argument', status: 400 },
  already_exists: { code: 'already_exists', status: 409 },
  permission_denied: { code: 'permission_denied', status: 403 },
  resource_exhausted: { code: 'resource_exhausted', status: 429 },
  failed_precondition: { code: 'failed_precondition', status: 412 },
  aborted: { code: 'aborted', status: 409 },
  out_of_range: { code: 'out_of_range', status: 400 },
  unimplemented: { code: 'unimplemented', status: 501 },
  internal: { code: 'internal', status: 500 },
  unavailable: { code: 'unavailable', status: 503 },
  data_loss: { code: 'data_loss', status: 500 },
  unauthenticated: { code: 'unauthenticated', status: 401 },
  malformed_result: { code: 'malformed', status: 400 },
  unprocessable_entity: { code: 'unknown', status: 500 },
  upstream_server_error: { code: 'internal', status: 500 },
  upstream_client_error: { code: 'invalid_argument', status: 400 },
};
