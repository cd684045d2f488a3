import type {
  Command,
  DownTrackId,
  Fingerprint,
  MediaParticipantId,
  MediaRoomId,
  PeerId,
  Query,
  UpTrackId,
  WorkerId,
} from '../media/commands.ts';
import type { Answer, DataEvent, PeerEvent } from '../media/events.ts';
import type { DownTrackHandler, MediaEngine, UpTrackHandler } from '../media/types.ts';

/** A media plane without media: peers open at once, and stand as soon as they are described. */
export class WillingEngine implements MediaEngine {
  readonly workers = 1;
  readonly fingerprint: Fingerprint = { algorithm: 'sha-256', value: 'AB:CD' };
  readonly #peers = new Map<PeerId, (event: PeerEvent) => void>();
  #lastId = 0;

  send(_worker: WorkerId, command: Command): void {
    if (command.type === 'openPeer') {
      const { peer } = command;
      queueMicrotask(() => this.#tell(peer, { type: 'peerOpened', peer, candidates: [CANDIDATE] }));
    } else if (command.type === 'setRemote') {
      const { peer } = command;
      queueMicrotask(() => {
        this.#tell(peer, { type: 'iceState', peer, state: 'connected', pair: PAIR });
        this.#tell(peer, { type: 'peerConnected', peer, srtpProfile: GCM, role: 'passive', iceMs: 1, dtlsMs: 1 });
      });
    }
  }

  query<Q extends Query>(): Promise<Extract<Answer, { type: Q['type'] }>> {
    return Promise.reject(new Error('there is no media to ask about'));
  }

  onPeer(peer: PeerId, handler: ((event: PeerEvent) => void) | undefined): void {
    if (handler === undefined) this.#peers.delete(peer);
    else this.#peers.set(peer, handler);
  }

  onUpTrack(_track: UpTrackId, _handler: UpTrackHandler | undefined): void {}
  onDownTrack(_down: DownTrackId, _handler: DownTrackHandler | undefined): void {}
  onRoomData(_room: MediaRoomId, _handler: ((event: DataEvent) => void) | undefined): void {}
  nextPeer = () => this.#next() as PeerId;
  nextUpTrack = () => this.#next() as UpTrackId;
  nextDownTrack = () => this.#next() as DownTrackId;
  nextParticipant = () => this.#next() as MediaParticipantId;
  nextRoom = () => this.#next() as MediaRoomId;

  async close(): Promise<void> {}

  #tell(peer: PeerId, event: PeerEvent): void {
    this.#peers.get(peer)?.(event);
  }

  #next(): number {
    this.#lastId += 1;
    return this.#lastId;
  }
}

const GCM = 'AEAD_AES_256_GCM';
/** Of the addresses that documentation has (RFC 5737). */
const CANDIDATE = { foundation: '1', protocol: 'udp', priority: 1, ip: '192.0.2.1', port: 50_000, kind: 'host' };
const PAIR = 'udp 192.0.2.1:50000 host 192.0.2.2:40000 prflx';
