/**
 * Joins that nobody made. Code that V8 has not compiled yet takes a join three times as long, and the first callers after
 * a start, who often come all at once because another node went, would wait for each other's. Tokens, routes, rooms,
 * negotiation and frames are the server's own; sockets and media are not part of it, and nothing of it is stored, counted
 * or heard of outside.
 */

import { pino } from 'pino';
import { Keys } from '../auth/keys.ts';
import { mintToken } from '../auth/token.ts';
import { LocalKeyspace } from '../cluster/local-keyspace.ts';
import { SoleOwnership } from '../cluster/sole-ownership.ts';
import { KeyspaceStore } from '../cluster/store.ts';
import { pipeline } from '../http/pipeline.ts';
import { Routes } from '../http/routes.ts';
import { addSignalRoutes } from '../http/signal-routes.ts';
import type { HttpHandler, HttpRequest } from '../http/types.ts';
import type { RoomName } from '../lib/ids.ts';
import type { WorkerId } from '../media/commands.ts';
import { ConnectionMetrics } from '../metrics/connections.ts';
import { SessionMetrics } from '../metrics/sessions.ts';
import { SignalMetrics } from '../metrics/signals.ts';
import { TrackMetrics } from '../metrics/tracks.ts';
import { createNegotiation } from '../negotiate/negotiation.ts';
import { NO_EGRESS } from '../room/auto-egress.ts';
import { systemClock } from '../room/clock.ts';
import type { RoomContext } from '../room/context.ts';
import { Preferences } from '../room/preferences.ts';
import { UNNOTICED } from '../room/presence.ts';
import { Rooms } from '../room/rooms.ts';
import { RoomSessionHost } from '../room/session-host.ts';
import { waitsFor } from '../signal/starter.ts';
import { RehearsedClient } from './client.ts';
import { WillingEngine } from './willing-engine.ts';

type Settings = Pick<RoomContext, 'config' | 'serverInfo'>;

/** Lets so many join, eight to a room of which one publishes; takes a quarter of a second for 64. */
export async function rehearse(settings: Settings, joins = JOINS): Promise<void> {
  const context = contextOf(settings);
  const rooms = new Rooms(context);
  const handler = handlerOf(new RoomSessionHost(context, rooms));
  const clients: RehearsedClient[] = [];
  try {
    for (let index = 0; index < joins; index += 1) {
      const client = new RehearsedClient(index % ROOM_SIZE === 0);
      const reply = await handler(requestOf(index));
      if (reply.kind !== 'upgrade') throw new Error(`answered with ${reply.status}`);
      client.begin(reply.open(client));
      clients.push(client);
      await turn();
    }
    // Offers wait for each other for a moment, and their answers come after that.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    for (const client of clients) client.leave();
    await turn();
  } finally {
    await rooms.close();
  }
}

function handlerOf(host: RoomSessionHost): HttpHandler {
  const routes = new Routes();
  addSignalRoutes(routes, {
    limits: { maxIdentityLength: 0, maxRoomNameLength: 0 },
    checks: { autoCreate: true, roomExists: async () => true },
    findHost: async () => host,
    waits: waitsFor(1),
    observer: new SignalMetrics(),
    logFor: (fields) => UNREAD.child(fields),
  });
  return pipeline(routes.handle, { keys: KEYS, maxBodyBytes: 0, now: () => new Date() });
}

function requestOf(index: number): HttpRequest {
  const room = `rehearsal-${Math.floor(index / ROOM_SIZE)}` as RoomName;
  const now = new Date();
  const payload = { name: `Caller ${index}`, video: { roomJoin: true, room } };
  const token = mintToken(KEYS, payload, `caller-${index}`, Math.floor(now.getTime() / 1000) + 60, now);
  return {
    method: 'GET',
    path: '/rtc',
    query: `access_token=${token}&auto_subscribe=1&adaptive_stream=1&protocol=17&sdk=js&version=2.21.0`,
    headers: new Map([['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36']]),
    remoteAddress: '192.0.2.2',
    upgrade: true,
    aborted: new AbortController().signal,
    body: () => Promise.reject(new Error('it has no body')),
  };
}

function contextOf({ config, serverInfo }: Settings): RoomContext {
  const store = new KeyspaceStore(new LocalKeyspace());
  const engine = new WillingEngine();
  return {
    config: { ...config, autoCreate: true },
    clock: systemClock,
    engine,
    preferences: new Preferences(systemClock),
    metrics: new ConnectionMetrics(),
    sessionMetrics: new SessionMetrics(),
    trackMetrics: new TrackMetrics(),
    placement: { place: () => 0 as WorkerId, release: () => {} },
    createNegotiation: (host, options) => createNegotiation(engine, host, options),
    store,
    agents: { launch: async () => {}, terminate: () => Promise.reject(new Error('there are no agents')) },
    presence: UNNOTICED,
    ownership: new SoleOwnership(
      (room) => store.rooms.remove(room),
      () => {},
    ),
    egress: NO_EGRESS,
    issueToken: () => 'token',
    serverInfo,
    log: UNREAD,
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lines are made, and go nowhere. */
const UNREAD = pino({ level: 'info' }, { write: () => {} });
const KEYS = new Keys({ rehearsal: 'a secret that opens nothing outside of here' });
/** By then V8 has compiled what a join runs through: more makes the next ones hardly faster. */
const JOINS = 64;
const ROOM_SIZE = 8;
const SETTLE_MS = 40;
