/** The one error that crosses folders and nodes: a code every transport can express, and a text meant for the caller. */

export type RpcCode =
  | 'canceled'
  | 'unknown'
  | 'invalid_argument'
  | 'malformed_request'
  | 'deadline_exceeded'
  | 'not_found'
  | 'not_acceptable'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'aborted'
  | 'out_of_range'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated'
  | 'malformed_result'
  | 'unprocessable_entity'
  | 'upstream_server_error'
  | 'upstream_client_error';

/** A message that a worker attached to its error, for those who know its type: serialised, and not looked into here. */
export interface RpcErrorDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface RpcErrorOptions extends ErrorOptions {
  readonly details?: readonly RpcErrorDetail[];
}

export class RpcError extends Error {
  override name = 'RpcError';
  readonly code: RpcCode;
  /** Details by name, for transports that have a place for them. */
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly details: readonly RpcErrorDetail[];

  constructor(code: RpcCode, message: string, meta?: Readonly<Record<string, string>>, options?: RpcErrorOptions) {
    super(message, options);
    this.code = code;
    this.meta = meta;
    this.details = options?.details ?? [];
  }
}

/** Whether another node's or worker's word for an error is one of ours. */
export function isRpcCode(text: string): text is RpcCode {
  return Object.hasOwn(HTTP_STATUS, text);
}

/** The status a plain HTTP answer carries for this code, for example when a join is refused before the upgrade. */
export function httpStatusOf(code: RpcCode): number {
  return HTTP_STATUS[code];
}

const HTTP_STATUS: Record<RpcCode, number> = {
  canceled: 503,
  unknown: 500,
  invalid_argument: 400,
  malformed_request: 400,
  deadline_exceeded: 503,
  not_found: 404,
  not_acceptable: 406,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 412,
  aborted: 409,
  out_of_range: 416,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
  malformed_result: 500,
  unprocessable_entity: 422,
  upstream_server_error: 502,
  upstream_client_error: 424,
};
