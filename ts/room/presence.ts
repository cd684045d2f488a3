import type { Identity, RoomName } from '../lib/ids.ts';

/** Hears which rooms are hosted here and who is in them, as it happens. Must not throw. */
export interface Presence {
  roomOpened(room: RoomName): void;
  roomClosed(room: RoomName): void;
  participantJoined(room: RoomName, identity: Identity): void;
  /** A session that another one of the same identity replaces leaves before that one joins. */
  participantLeft(room: RoomName, identity: Identity): void;
}

/** For a node that nobody asks from elsewhere. */
export const UNNOTICED: Presence = {
  roomOpened() {},
  roomClosed() {},
  participantJoined() {},
  participantLeft() {},
};
