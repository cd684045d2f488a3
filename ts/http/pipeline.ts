/** What every request passes before its route, in livekit-server's order (livekit-facts 1.1). */

import type { Keys } from '../auth/keys.ts';
import { TokenError, type VerifiedToken, verifyToken } from '../auth/token.ts';
import { text } from './reply.ts';
import { BodyTooLarge, type HttpHandler, type HttpRequest, type PlainReply, type Reply } from './types.ts';

/** A request that got through, as routes see it. */
export interface Call {
  readonly request: HttpRequest;
  /** Without a doubled slash at its start. */
  readonly path: string;
  /** Query parameters, and before them those of a form body. */
  readonly form: URLSearchParams;
  /** Undefined where the request carries no token; routes that need one refuse it then. */
  readonly token: VerifiedToken | undefined;
}

export type Route = (call: Call) => Promise<Reply>;

export interface PipelineSettings {
  readonly keys: Keys;
  /** 0 for no limit. */
  readonly maxBodyBytes: number;
  readonly now: () => Date;
}

/** CORS, doubled slash, body limit, token; then the route. */
export function pipeline(route: Route, settings: PipelineSettings): HttpHandler {
  return async (request) => {
    const preflight = answerPreflight(request);
    if (preflight !== undefined) return preflight;
    const path = request.path.startsWith('//') ? request.path.slice(1) : request.path;
    const reply = await limited(request, settings, async () => {
      const form = await formValues(request);
      const token = await authenticate(request, form, settings);
      return typeof token === 'string' ? text(401, token) : route({ request, path, form, token });
    });
    return reply.kind === 'upgrade' ? reply : withCors(request, path, reply);
  };
}

async function limited(
  request: HttpRequest,
  { maxBodyBytes }: PipelineSettings,
  next: () => Promise<Reply>,
): Promise<Reply> {
  const tooLarge = text(413, 'request body too large');
  if (maxBodyBytes > 0 && Number(request.headers.get('content-length') ?? 0) > maxBodyBytes) return tooLarge;
  try {
    return await next();
  } catch (error) {
    if (error instanceof BodyTooLarge) return tooLarge;
    throw error;
  }
}

/** The token, `undefined` without one, or why it is refused. */
async function authenticate(
  request: HttpRequest,
  form: URLSearchParams,
  { keys, now }: PipelineSettings,
): Promise<VerifiedToken | undefined | string> {
  const header = request.headers.get('authorization') ?? '';
  if (header !== '' && !header.startsWith(BEARER)) return `invalid authorization header. Must start with ${BEARER}`;
  const token = header === '' ? (form.get('access_token') ?? '') : header.slice(BEARER.length);
  if (token === '') return undefined;
  try {
    return await verifyToken(token, keys, now());
  } catch (error) {
    if (error instanceof TokenError) return error.message;
    throw error;
  }
}

async function formValues(request: HttpRequest): Promise<URLSearchParams> {
  const query = new URLSearchParams(request.query);
  const type = request.headers.get('content-type') ?? '';
  if (request.method !== 'POST' || !type.startsWith('application/x-www-form-urlencoded')) return query;
  const body = new URLSearchParams(Buffer.from(await request.body()).toString('utf8'));
  for (const [name, value] of query) body.append(name, value);
  return body;
}

/** Any origin may ask for the methods we have; requests are guarded by tokens, not by where they come from. */
function answerPreflight(request: HttpRequest): PlainReply | undefined {
  const method = request.headers.get('access-control-request-method') ?? '';
  if (request.method !== 'OPTIONS' || method === '') return undefined;
  const headers: [string, string][] = [
    ['Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'],
  ];
  const origin = request.headers.get('origin');
  if (origin !== undefined && CORS_METHODS.has(method.toUpperCase())) {
    const asked = request.headers.get('access-control-request-headers') ?? '';
    if (asked !== '') headers.push(['Access-Control-Allow-Headers', asked]);
    headers.push(['Access-Control-Allow-Methods', method.toUpperCase()]);
    headers.push(['Access-Control-Allow-Origin', origin]);
    headers.push(['Access-Control-Max-Age', '86400']);
  }
  return { kind: 'plain', status: 204, headers, body: '' };
}

function withCors(request: HttpRequest, path: string, reply: PlainReply): PlainReply {
  const headers: [string, string][] = [['Vary', 'Origin']];
  const origin = request.headers.get('origin');
  const shared = origin !== undefined && CORS_METHODS.has(request.method);
  if (VALIDATE_PATHS.has(path)) headers.push(['Access-Control-Allow-Origin', '*']);
  else if (shared) headers.push(['Access-Control-Allow-Origin', origin]);
  if (shared) headers.push(['Access-Control-Expose-Headers', '*']);
  return { ...reply, headers: [...headers, ...reply.headers] };
}

const BEARER = 'Bearer ';
const CORS_METHODS: ReadonlySet<string> = new Set(['OPTIONS', 'HEAD', 'GET', 'POST', 'PATCH', 'DELETE']);
const VALIDATE_PATHS: ReadonlySet<string> = new Set(['/rtc/validate', '/rtc/v1/validate']);
