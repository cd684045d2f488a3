/** `/rtc` and `/rtc/v1`: checks a connection, starts its session, then upgrades it (livekit-facts 1.2–1.6). */

import { hasCredentials } from '../auth/room-credentials.ts';
import { httpStatusOf, RpcError } from '../lib/rpc-error.ts';
import { Admission, RETRY_AFTER_S } from '../signal/admission.ts';
import { SharedFrames } from '../signal/codec.ts';
import { type ConnectChecks, type ConnectLimits, parseConnect } from '../signal/connect.ts';
import { Refusal } from '../signal/refusal.ts';
import type { ConnectionLog, SignalObserver } from '../signal/socket.ts';
import { type HostFinder, type Shared, type Started, startSession } from '../signal/starter.ts';
import type { JoinParams } from '../signal/types.ts';
import type { Call, Route } from './pipeline.ts';
import { text } from './reply.ts';
import type { Routes } from './routes.ts';
import type { Reply } from './types.ts';

export interface SignalRoutesParts {
  readonly limits: ConnectLimits;
  readonly checks: ConnectChecks;
  readonly findHost: HostFinder;
  /** Milliseconds that each try to start a session may take; their number is the number of tries. */
  readonly waits: readonly number[];
  /** How far each connection came. */
  readonly onJoin?: (state: 'signal_connected' | 'signal_validation_failed' | 'signal_failed') => void;
  /** Hears of each signal message. */
  readonly observer: SignalObserver;
  /** How many may be joining at once. */
  readonly maxEntering?: number;
  /** A log for one connection, from the fields that operators look for. */
  readonly logFor: (fields: Record<string, string>) => ConnectionLog;
}

export function addSignalRoutes(routes: Routes, parts: SignalRoutesParts): void {
  const shared = { frames: new SharedFrames(), observer: parts.observer };
  const admission = new Admission(parts.maxEntering);
  routes
    .exact('/rtc', join(parts, shared, admission, false))
    .exact('/rtc/v1', join(parts, shared, admission, true))
    .exact('/rtc/validate', validate(parts, false))
    .exact('/rtc/v1/validate', validate(parts, true));
}

function validate({ limits, checks, logFor }: SignalRoutesParts, joinRequestRequired: boolean): Route {
  return async (call) => {
    try {
      await parseConnect(connectRequest(call), { joinRequestRequired, strict: true }, limits, checks);
      return text(200, 'success');
    } catch (error) {
      return refuse(error, logFor({ path: call.path }));
    }
  };
}

function join(parts: SignalRoutesParts, shared: Shared, admission: Admission, joinRequestRequired: boolean): Route {
  const { limits, checks, findHost, waits, logFor, onJoin } = parts;
  return async (call) => {
    if (!call.request.upgrade) return text(404, '');
    let log = logFor({ path: call.path });
    if (!admission.enter()) {
      onJoin?.('signal_failed');
      log.warn({}, 'too many clients are joining at once');
      return comeAgain();
    }
    try {
      const params = await parseConnect(connectRequest(call), { joinRequestRequired, strict: false }, limits, checks);
      log = logFor(fieldsOf(params));
      const { roomConfig } = params.claims;
      // They belong into CreateRoom: whoever has the token can read them.
      if (roomConfig !== undefined && hasCredentials(roomConfig)) log.warn({}, 'credentials found in token');
      const started = await startSession(params, findHost, call.request.aborted, shared, log, waits);
      onJoin?.('signal_connected');
      return upgrade(started, call.request.aborted);
    } catch (error) {
      onJoin?.(error instanceof Refusal ? 'signal_validation_failed' : 'signal_failed');
      return refuse(error, log);
    } finally {
      admission.leave();
    }
  };
}

/** 503 is one of the answers on which clients try again. */
function comeAgain(): Reply {
  const { headers, ...reply } = text(503, 'too many clients are joining, try again');
  return { ...reply, headers: [['Retry-After', String(RETRY_AFTER_S)], ...headers] };
}

function connectRequest({ form, token, request }: Call) {
  return { form, token, origin: { headers: request.headers, remoteAddress: request.remoteAddress } };
}

/** The session must hear of it when the client leaves between our answer and the open socket. */
function upgrade({ connection, session }: Started, aborted: AbortSignal): Reply {
  const gone = () => session.closed(true);
  if (aborted.aborted) gone();
  else aborted.addEventListener('abort', gone, { once: true });
  return {
    kind: 'upgrade',
    open: (socket) => {
      aborted.removeEventListener('abort', gone);
      return connection.open(socket, session);
    },
  };
}

function refuse(error: unknown, log: ConnectionLog): Reply {
  const known = error instanceof Refusal || error instanceof RpcError;
  const status = error instanceof Refusal ? error.status : error instanceof RpcError ? httpStatusOf(error.code) : 500;
  const message = error instanceof Error ? error.message : String(error);
  log.warn({ status, error: message }, 'error handling request');
  return text(status, known ? message : 'internal error');
}

function fieldsOf(params: JoinParams): Record<string, string> {
  return { room: params.room, participant: params.identity, connID: params.connectionId };
}
