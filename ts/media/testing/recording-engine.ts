/** A media engine that only remembers what it was asked, for tests of negotiation and rooms. */

import type {
  Candidate,
  Command,
  DownTrackId,
  Fingerprint,
  MediaParticipantId,
  MediaRoomId,
  PeerId,
  Query,
  UpTrackId,
  WorkerId,
} from '../commands.ts';
import type { Answer, DataEvent, PeerEvent } from '../events.ts';
import type { DownTrackHandler, MediaEngine, UpTrackHandler } from '../types.ts';

export class RecordingEngine implements MediaEngine {
  readonly workers = 1;
  readonly fingerprint: Fingerprint = { algorithm: 'sha-256', value: 'AB:CD' };
  readonly commands: Command[] = [];
  /** What each new peer reports. */
  candidates: Candidate[] = [CANDIDATE];
  /** New peers find no port. */
  portsExhausted = false;
  readonly peers = new Map<PeerId, (event: PeerEvent) => void>();
  #lastId = 0;

  send(_worker: WorkerId, command: Command): void {
    this.commands.push(command);
    // Opens at once, as a worker with free ports does a little later.
    if (command.type === 'openPeer') {
      const { peer } = command;
      queueMicrotask(() => {
        if (this.portsExhausted) {
          this.peers.get(peer)?.({ type: 'peerClosed', peer, reason: 'portsExhausted', detail: 'none is free' });
        } else this.peers.get(peer)?.({ type: 'peerOpened', peer, candidates: this.candidates });
      });
    }
  }

  /** The commands of one type so far. */
  sent<T extends Command['type']>(type: T): Extract<Command, { type: T }>[] {
    return this.commands.filter((command): command is Extract<Command, { type: T }> => command.type === type);
  }

  query<Q extends Query>(_worker: WorkerId, _query: Q): Promise<Extract<Answer, { type: Q['type'] }>> {
    return Promise.reject(new Error('a recorder knows nothing'));
  }

  onPeer(peer: PeerId, handler: ((event: PeerEvent) => void) | undefined): void {
    if (handler === undefined) this.peers.delete(peer);
    else this.peers.set(peer, handler);
  }

  onUpTrack(_track: UpTrackId, _handler: UpTrackHandler | undefined): void {}
  onDownTrack(_down: DownTrackId, _handler: DownTrackHandler | undefined): void {}
  onRoomData(_room: MediaRoomId, _handler: ((event: DataEvent) => void) | undefined): void {}
  nextPeer = () => this.#next() as PeerId;
  nextUpTrack = () => this.#next() as UpTrackId;
  nextDownTrack = () => this.#next() as DownTrackId;
  nextParticipant = () => this.#next() as MediaParticipantId;
  nextRoom = () => this.#next() as MediaRoomId;

  #next(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  async close(): Promise<void> {}
}

const CANDIDATE = { foundation: '1', protocol: 'udp', priority: 1, ip: '192.0.2.1', port: 50_000, kind: 'host' };
