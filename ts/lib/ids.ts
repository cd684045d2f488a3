/** Names and ids that are all strings on the wire and must not be confused here. */

declare const brand: unique symbol;
type Text<Name extends string> = string & { readonly [brand]: Name };

export type RoomName = Text<'roomName'>;
export type RoomSid = Text<'roomSid'>;
export type Identity = Text<'identity'>;
export type ParticipantSid = Text<'participantSid'>;
export type TrackSid = Text<'trackSid'>;
export type NodeId = Text<'nodeId'>;
export type ConnectionId = Text<'connectionId'>;
