/**
 * The contracts that rooms implement for the folders above them. Types only, so nothing is imported at run time and the
 * arrows between folders still point down; this file is the one place that names what stands above.
 */
export type {
  DispatchStore,
  OwnedRooms,
  ParticipantStore,
  RoomInternal,
  RoomOwnership,
  RoomStore,
  StoredRoom,
} from '../cluster/types.ts';
export type {
  DataRequests,
  JoinParams,
  NegotiationRequests,
  ParticipantRequests,
  PublishingRequests,
  SessionHost,
  SignalSession,
  SignalSink,
  SubscribingRequests,
} from '../signal/types.ts';
