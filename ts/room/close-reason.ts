import { DisconnectReason, LeaveRequest, LeaveRequest_Action } from '@livekit/protocol';

/** Why a participant's session ends, in the server's terms. */
export type CloseReason =
  | 'clientLeft'
  | 'userUnavailable'
  | 'userRejected'
  | 'agentError'
  | 'serverShutdown'
  | 'joinFailed'
  | 'joinTimeout'
  | 'peerDisconnected'
  | 'duplicateIdentity'
  | 'removed'
  | 'roomDeleted'
  | 'roomClosed'
  | 'negotiationFailed'
  | 'publicationError'
  | 'subscriptionError'
  | 'signalClosed'
  | 'roomMoved'
  | 'simulatedMigration'
  | 'simulatedNodeFailure'
  | 'simulatedServerLeave';

export type LeaveAction = 'disconnect' | 'resume' | 'reconnect';

export function disconnectReason(reason: CloseReason): DisconnectReason {
  return DISCONNECT_REASONS[reason];
}

/** Reasons a client may give for leaving; any other counts as its own wish. */
export function closeReasonOfLeave(reason: DisconnectReason): CloseReason {
  switch (reason) {
    case DisconnectReason.USER_UNAVAILABLE:
      return 'userUnavailable';
    case DisconnectReason.USER_REJECTED:
      return 'userRejected';
    case DisconnectReason.AGENT_ERROR:
      return 'agentError';
    default:
      return 'clientLeft';
  }
}

/**
 * The leave signal for a client; undefined where its protocol has no word for it: older clients learn of a resume
 * from the closed socket only.
 */
export function leaveRequest(
  reason: CloseReason,
  action: LeaveAction,
  supportsAction: boolean,
): LeaveRequest | undefined {
  if (supportsAction) {
    return new LeaveRequest({ reason: disconnectReason(reason), action: LEAVE_ACTIONS[action] });
  }
  if (action === 'resume') return undefined;
  return new LeaveRequest({ reason: disconnectReason(reason), canReconnect: action === 'reconnect' });
}

const LEAVE_ACTIONS: Record<LeaveAction, LeaveRequest_Action> = {
  disconnect: LeaveRequest_Action.DISCONNECT,
  resume: LeaveRequest_Action.RESUME,
  reconnect: LeaveRequest_Action.RECONNECT,
};

const DISCONNECT_REASONS: Record<CloseReason, DisconnectReason> = {
  clientLeft: DisconnectReason.CLIENT_INITIATED,
  userUnavailable: DisconnectReason.USER_UNAVAILABLE,
  userRejected: DisconnectReason.USER_REJECTED,
  agentError: DisconnectReason.AGENT_ERROR,
  serverShutdown: DisconnectReason.SERVER_SHUTDOWN,
  joinFailed: DisconnectReason.JOIN_FAILURE,
  joinTimeout: DisconnectReason.JOIN_FAILURE,
  peerDisconnected: DisconnectReason.CONNECTION_TIMEOUT,
  duplicateIdentity: DisconnectReason.DUPLICATE_IDENTITY,
  removed: DisconnectReason.PARTICIPANT_REMOVED,
  roomDeleted: DisconnectReason.ROOM_DELETED,
  roomClosed: DisconnectReason.ROOM_CLOSED,
  negotiationFailed: DisconnectReason.STATE_MISMATCH,
  publicationError: DisconnectReason.STATE_MISMATCH,
  subscriptionError: DisconnectReason.STATE_MISMATCH,
  signalClosed: DisconnectReason.SIGNAL_CLOSE,
  roomMoved: DisconnectReason.MIGRATION,
  simulatedMigration: DisconnectReason.MIGRATION,
  simulatedNodeFailure: DisconnectReason.SERVER_SHUTDOWN,
  simulatedServerLeave: DisconnectReason.SERVER_SHUTDOWN,
};
