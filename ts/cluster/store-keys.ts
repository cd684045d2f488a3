/** livekit-server's keys of rooms and nodes. Nodes of both kinds work on the same Redis, so none may change. */

import type { RoomName } from '../lib/ids.ts';

export const ROOMS = 'rooms';
export const ROOM_INTERNAL = 'room_internal';
export const NODES = 'nodes';
export const ROOM_NODE_MAP = 'room_node_map';
export const VERSION = 'livekit_version';

export const participantsOf = (room: RoomName): string => `room_participants:${room}`;
export const lockOf = (room: RoomName): string => `room_lock:${room}`;
export const dispatchesOf = (room: RoomName): string => `agent_dispatch:${room}`;
export const jobsOf = (room: RoomName): string => `agent_job:${room}`;
