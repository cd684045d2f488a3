/** Gives a participant whose socket was lost a new one (livekit-facts 3.5); its transports and its sid stay. */

import { ParticipantUpdate, ReconnectResponse, RoomUpdate } from '@livekit/protocol';
import { understandsReconnectResponse } from './client-rules.ts';
import { leaveRequest } from './close-reason.ts';
import type { RoomContext } from './context.ts';
import type { JoinParams, SignalSession, SignalSink } from './contracts.ts';
import { iceServers } from './ice-servers.ts';
import type { Member } from './member.ts';
import { Outbox } from './outbox.ts';
import { protocolGates } from './protocol-gates.ts';
import type { Room } from './room.ts';
import { Session } from './session.ts';

/** Undefined where there is nothing to resume: the client was told to begin anew. */
export async function resumeSession(
  context: RoomContext,
  room: Room | undefined,
  params: JoinParams,
  sink: SignalSink,
  abandoned: AbortSignal,
): Promise<SignalSession | undefined> {
  const member = room?.members.get(params.identity);
  if (room === undefined || !isResumable(member, params)) return refuse(params, sink);
  const since = member.lastHeardAt;
  const lastMessageSeq = await lastDataSequence(context, member);
  if (abandoned.aborted || !isResumable(member, params)) return refuse(params, sink);
  const fault = room.resumeFault(params.identity);
  member.outbox.replace(sink);
  member.heard();
  const session = new Session(room, member, sink);
  if (fault === 'dropBeforeMessages') {
    member.outbox.close();
    return session;
  }
  member.transports.resumed(context.preferences.get(params.room, params.identity), params.reconnectReason);
  member.connection.resumed();
  tell(context, room, member, { lastMessageSeq, since });
  member.negotiation.restartIce();
  member.publications.restart();
  if (fault === 'dropAfterMessages') member.outbox.close();
  return session;
}

function isResumable(member: Member | undefined, params: JoinParams): member is Member {
  if (member === undefined || member.closed || !member.connection.resumable) return false;
  // Another session has the identity now: its socket must not be taken away.
  return params.participantSid === '' || params.participantSid === member.participant.sid;
}

function refuse(params: JoinParams, sink: SignalSink): undefined {
  const { leaveAction } = protocolGates(params.client.protocol);
  const leave = leaveRequest('negotiationFailed', 'reconnect', leaveAction);
  const outbox = new Outbox(sink);
  if (leave !== undefined) outbox.send({ case: 'leave', value: leave });
  outbox.close();
  return undefined;
}

/** The client sends again what came after it; 0, which repeats nothing, where the worker does not say. */
async function lastDataSequence({ engine, log }: RoomContext, member: Member): Promise<number> {
  try {
    const query = { type: 'dataSequence', participant: member.mediaId } as const;
    return (await engine.query(member.negotiation.worker, query)).sequence;
  } catch (error) {
    log.warn({ error, participantID: member.participant.sid }, 'no data sequence for a resume');
    return 0;
  }
}

/** What the client missed, in the order it needs it. */
function tell(context: RoomContext, room: Room, member: Member, seen: { lastMessageSeq: number; since: number }): void {
  const { participant, outbox, feed, tokens } = member;
  const { gates } = participant;
  const { serverInfo, config, clock } = context;
  if (understandsReconnectResponse(participant.client)) {
    const value = new ReconnectResponse({
      iceServers: iceServers(config, {
        participantSid: participant.sid,
        now: clock.now(),
        tlsOnly: member.transports.preference === 'tls',
      }),
      serverInfo,
      lastMessageSeq: seen.lastMessageSeq,
    });
    if (member.clientConfiguration !== undefined) value.clientConfiguration = member.clientConfiguration;
    outbox.send({ case: 'reconnect', value });
    const missed = gates.disconnectedUpdates ? room.departedSince(seen.since, gates.identityReconnect) : [];
    if (missed.length > 0) {
      outbox.send({ case: 'update', value: new ParticipantUpdate({ participants: missed }) });
    }
  }
  const all = room.visibleInfos();
  feed.tell(participant.hidden ? [participant.info(), ...all] : all);
  outbox.send({ case: 'roomUpdate', value: new RoomUpdate({ room: room.snapshot() }) });
  tokens.send();
}
