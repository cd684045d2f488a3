/** Lets a client into a room (livekit-facts 3.1): join response first, then everything else in its order. */

import type { JoinResponse } from '@livekit/protocol';
import { mayPublish } from '../auth/grants.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { JoinFailure } from '../metrics/connections.ts';
import { TransportError } from '../negotiate/types.ts';
import type { RoomContext } from './context.ts';
import type { JoinParams, SignalSession, SignalSink } from './contracts.ts';
import { iceServers } from './ice-servers.ts';
import type { Member } from './member.ts';
import type { Room } from './room.ts';
import { SealedJoin } from './sealed.ts';
import { Session } from './session.ts';

/** Rejects where the room is full or ended, no ports are left, or the client went away meanwhile. */
export async function joinRoom(
  context: RoomContext,
  room: Room,
  params: JoinParams,
  sink: SignalSink,
  abandoned: AbortSignal,
): Promise<SignalSession> {
  const member = await admissible(context, room, params, sink, abandoned);
  room.admit(member);
  const session = new Session(room, member, sink);
  welcome(context, room, member);
  begin(room, member, params);
  return session;
}

async function admissible(
  { metrics }: RoomContext,
  room: Room,
  params: JoinParams,
  sink: SignalSink,
  abandoned: AbortSignal,
): Promise<Member> {
  let member: Member | undefined;
  try {
    room.assertOpenFor(params.identity, params.claims);
    member = room.prepare(params, sink);
    await openTransports(member);
    if (abandoned.aborted) throw new RpcError('canceled', 'the client went away');
    room.assertOpenFor(params.identity, params.claims);
    return member;
  } catch (error) {
    metrics.joinFailed(joinFailure(error));
    if (member !== undefined) room.discard(member);
    throw error;
  }
}

function joinFailure(error: unknown): JoinFailure {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof TransportError) return exhausted(cause) ? 'portsExhausted' : 'transports';
  if (!(error instanceof RpcError)) return 'error';
  if (error.code === 'resource_exhausted') return 'roomFull';
  return error.code === 'canceled' ? 'abandoned' : 'roomClosed';
}

function exhausted(error: unknown): boolean {
  return error instanceof TransportError && error.reason === 'portsExhausted';
}

async function openTransports(member: Member): Promise<void> {
  try {
    await member.negotiation.ready;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const keys = exhausted(error) ? 'resource exhausted: see rtc.port_range_start and rtc.port_range_end: ' : '';
    throw new RpcError('unavailable', `${keys}could not open transports: ${text}`, undefined, { cause: error });
  }
}

/** The first message; only after it others may follow. */
function welcome(context: RoomContext, room: Room, member: Member): void {
  member.outbox.send({ case: 'join', value: joinResponse(context, room, member) });
  context.metrics.served('participant_join');
  member.feed.open();
  member.participant.moveTo({ name: 'joined' });
  member.tokens.start();
}

function joinResponse(context: RoomContext, room: Room, member: Member): JoinResponse {
  const { participant, negotiation } = member;
  const { serverInfo, config, clock } = context;
  const data = {
    room: room.snapshot(),
    participant: participant.info(),
    iceServers: iceServers(config, {
      participantSid: participant.sid,
      now: clock.now(),
      tlsOnly: member.transports.preference === 'tls',
    }),
    subscriberPrimary: negotiation.subscriberPrimary,
    pingInterval: PING_INTERVAL_S,
    pingTimeout: PING_TIMEOUT_S,
    serverInfo,
    serverVersion: serverInfo.version,
    serverRegion: serverInfo.region,
    sifTrailer: room.sifTrailer,
    enabledPublishCodecs: [...member.codecs.listed],
    // A client that is led elsewhere first learns where.
    fastPublish: mayPublish(participant.grant) && member.transports.preference === 'any',
  };
  const response = new SealedJoin(data, room.encodeOthers(member));
  if (member.clientConfiguration !== undefined) response.clientConfiguration = member.clientConfiguration;
  return response;
}

/** Early subscriptions are in the first description already, and so are tracks announced with the request. */
function begin(room: Room, member: Member, params: JoinParams): void {
  const { negotiation, participant, publications } = member;
  const early = member.singlePc || (negotiation.subscriberPrimary && participant.gates.fastStart);
  if (early) room.subscribeToExisting(member);
  negotiation.start();
  for (const request of params.addTrackRequests) publications.addTrack(request);
  if (params.publisherOffer !== undefined) {
    member.describe('offer', params.publisherOffer.sdp, params.publisherOffer.id);
  }
}

/** How often clients ping, and when they give up. */
const PING_INTERVAL_S = 5;
const PING_TIMEOUT_S = 15;
