/**
 * Rooms of the whole cluster as one: who looks for a room is led to this node's own or, over Redis, to another's; and what
 * other nodes ask of this one is answered.
 */

import { ControlServer } from './api/control-server.ts';
import { LocalFirstDirectory } from './api/local-first-directory.ts';
import { RemoteControls, RemoteRooms } from './api/remote-controls.ts';
import { RoutedControls } from './api/routed-controls.ts';
import type { HostControls, HostedRooms, RoomDirectory } from './api/types.ts';
import type { Router } from './cluster/types.ts';
import type { ClusterLinks } from './cluster-root.ts';
import type { Config } from './config/schema.ts';
import type { NodeId, RoomName } from './lib/ids.ts';
import type { Log } from './log/log.ts';
import type { NodeRoot } from './node-root.ts';
import { RelayFigures } from './relay/figures.ts';
import { RelayServer } from './relay/relay-server.ts';
import { RelayedSessions } from './relay/relayed-sessions.ts';
import { RoutedSessions } from './relay/routed-sessions.ts';
import type { RelaySettings } from './relay/settings.ts';
import { systemClock } from './room/clock.ts';
import { type Presence, UNNOTICED } from './room/presence.ts';
import type { SessionHost } from './signal/types.ts';

/** What a node offers to whoever looks for a room. */
export interface RoomHost {
  readonly sessions: SessionHost;
  readonly controls: HostControls;
}

export interface FleetParts {
  readonly config: Config;
  readonly self: NodeId;
  readonly links: ClusterLinks;
  readonly node: NodeRoot;
  /** This node. */
  readonly local: RoomHost;
  readonly hosted: HostedRooms;
  readonly log: Log;
}

export class Fleet {
  readonly router: Router<RoomHost>;
  /** Of every room. */
  readonly sessions: SessionHost;
  readonly controls: HostControls;
  readonly directory: RoomDirectory;
  /** To be told of this node's rooms. */
  readonly presence: Presence;
  readonly relays = new RelayFigures();
  readonly #parts: FleetParts;
  readonly #rooms: RemoteRooms;
  readonly #remotes = new Map<NodeId, { sessions: RelayedSessions; controls: RemoteControls }>();
  readonly #relayServer: RelayServer | undefined;
  readonly #controlServer: ControlServer | undefined;
  #stopMembers: (() => void) | undefined;

  constructor(parts: FleetParts) {
    const { links, node, local, hosted } = parts;
    this.#parts = parts;
    this.#rooms = new RemoteRooms(links.client);
    const isHostedHere = (room: RoomName) => hosted.room(room) !== undefined;
    this.router = node.router({ local, remoteHost: (id) => this.#remote(id), isHostedHere });
    this.sessions = new RoutedSessions(async ({ room }) => (await this.router.hostForRoom(room)).sessions);
    this.controls = new RoutedControls({
      find: async (room, preferred) => (await this.router.hostForRoom(room, preferred)).controls,
      // Alone, a room that is not here is nowhere.
      here: (room) => (links.clustered && !isHostedHere(room) ? undefined : local.controls),
      elsewhere: this.#rooms,
    });
    this.directory = new LocalFirstDirectory(hosted, this.#clusterDirectory());
    this.#relayServer = links.clustered ? this.#makeRelayServer() : undefined;
    this.#controlServer = links.clustered ? this.#makeControlServer() : undefined;
    this.presence = this.#controlServer ?? UNNOTICED;
  }

  /** Resolves when other nodes can ask this one. */
  async start(): Promise<void> {
    this.#stopMembers = this.#parts.node.members.onGone((node) => this.#gone(node));
    await this.#relayServer?.start();
    await this.#controlServer?.start();
  }

  /** Nothing new from other nodes; what is here goes on. Idempotent. */
  async stop(): Promise<void> {
    this.#stopMembers?.();
    await this.#relayServer?.stop();
    await this.#controlServer?.stop();
  }

  #remote(node: NodeId): RoomHost {
    const known = this.#remotes.get(node);
    if (known !== undefined) return known;
    const { config, links, log } = this.#parts;
    const { create_room_timeout: createRoomTimeoutMs, create_room_attempts: createRoomAttempts } = config.room;
    const remote = {
      sessions: new RelayedSessions({
        node,
        client: links.client,
        settings: relaySettings(config),
        link: links.keyspace.link,
        clock: systemClock,
        figures: this.relays,
        log,
      }),
      controls: new RemoteControls(links.client, node, { createRoomTimeoutMs, createRoomAttempts }),
    };
    this.#remotes.set(node, remote);
    return remote;
  }

  #gone(node: NodeId): void {
    this.#remotes.get(node)?.sessions.nodeGone();
    this.#remotes.delete(node);
    this.#relayServer?.nodeGone(node);
  }

  #clusterDirectory(): RoomDirectory {
    const { config, links } = this.#parts;
    const { rooms, participants } = links.store;
    const listRooms = (names: RoomName[] | undefined) => rooms.list(names);
    if (links.clustered && config.api.enable_psrpc_for_get_list_participants) {
      return {
        listRooms,
        listParticipants: (room) => this.#rooms.listParticipants(room),
        loadParticipant: (room, identity) => this.#rooms.getParticipant(room, identity),
      };
    }
    return {
      listRooms,
      listParticipants: (room) => participants.list(room),
      loadParticipant: (room, identity) => participants.load(room, identity),
    };
  }

  #makeRelayServer(): RelayServer {
    const { config, self, links, local, log } = this.#parts;
    return new RelayServer({
      self,
      server: links.server,
      host: local.sessions,
      settings: relaySettings(config),
      link: links.keyspace.link,
      clock: systemClock,
      figures: this.relays,
      log,
    });
  }

  #makeControlServer(): ControlServer {
    const { self, links, local, hosted, log } = this.#parts;
    return new ControlServer({
      self,
      server: links.server,
      controls: local.controls,
      hosted,
      onError: (error) => log.warn({ error }, 'could not be asked by other nodes'),
    });
  }
}

/** For rooms, which are built before the fleet, and begin after it is there. */
export function presenceIn(fleet: () => Fleet): Presence {
  return {
    roomOpened: (room) => fleet().presence.roomOpened(room),
    roomClosed: (room) => fleet().presence.roomClosed(room),
    participantJoined: (room, identity) => fleet().presence.participantJoined(room, identity),
    participantLeft: (room, identity) => fleet().presence.participantLeft(room, identity),
  };
}

function relaySettings({ signal_relay }: Config): RelaySettings {
  return {
    retryTimeoutMs: signal_relay.retry_timeout,
    minRetryMs: signal_relay.min_retry_interval,
    maxRetryMs: signal_relay.max_retry_interval,
    bufferSize: signal_relay.stream_buffer_size,
  };
}
