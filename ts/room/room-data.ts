/** Data packets of a room as far as the control plane has a part in them: who gets them where, and what the server sends. */

import { DataPacket, DataPacket_Kind, ParticipantInfo_Kind, type SendDataRequest, UserPacket } from '@livekit/protocol';
import { mayPublishData } from '../auth/grants.ts';
import type { MediaParticipantId, MediaRoomId, WorkerId } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import type { Negotiation } from '../negotiate/types.ts';
import type { Clock } from './clock.ts';
import type { Participant } from './participant.ts';
import { ServerRpc } from './server-rpc.ts';

/** A participant's place in the media plane. */
export interface DataPeer {
  readonly participant: Participant;
  readonly negotiation: Negotiation;
  readonly mediaId: MediaParticipantId;
}

export class RoomData {
  readonly rpc: ServerRpc;
  readonly #engine: MediaEngine;
  readonly #room: MediaRoomId;
  readonly #peers = new Map<MediaParticipantId, DataPeer>();
  readonly #nonces = new Set<string>();
  /** Peers of the room on each worker. */
  readonly #onWorker = new Map<WorkerId, number>();
  #workers: WorkerId[] = [];
  #sinks: string[] = [];

  constructor(engine: MediaEngine, room: MediaRoomId, clock: Clock) {
    this.#engine = engine;
    this.#room = room;
    this.rpc = new ServerRpc(clock, {
      send: (packet, destination) => this.#send(packet, [destination]),
      setSinks: (identities) => this.#setSinks(identities),
    });
    engine.onRoomData(room, ({ sink, packet }) => {
      if (sink !== '') this.rpc.receive(sink, packet);
    });
  }

  add(peer: DataPeer): void {
    const { worker } = peer.negotiation;
    this.#peers.set(peer.mediaId, peer);
    this.#onWorker.set(worker, (this.#onWorker.get(worker) ?? 0) + 1);
    this.#updateWorkers();
    this.update(peer);
  }

  /** Its permissions changed. */
  update({ participant, negotiation, mediaId }: DataPeer): void {
    this.#engine.send(negotiation.worker, {
      type: 'setParticipant',
      participant: mediaId,
      room: this.#room,
      sid: participant.sid,
      identity: participant.identity,
      upPeers: [...negotiation.upPeers],
      downPeer: negotiation.downPeer,
      canPublishData: mayPublishData(participant.grant),
      hidden: participant.hidden,
      agent: participant.claims.kind === ParticipantInfo_Kind.AGENT,
    });
  }

  remove({ participant, negotiation, mediaId }: DataPeer): void {
    if (!this.#peers.delete(mediaId)) return;
    this.#engine.send(negotiation.worker, { type: 'closeParticipant', participant: mediaId });
    this.rpc.left(participant.identity);
    const left = (this.#onWorker.get(negotiation.worker) ?? 1) - 1;
    if (left > 0) this.#onWorker.set(negotiation.worker, left);
    else this.#onWorker.delete(negotiation.worker);
    this.#updateWorkers();
  }

  /** Each worker of the room knows all of them, for each passes packets to the others. */
  #updateWorkers(): void {
    const workers = [...this.#onWorker.keys()];
    const left = this.#workers.filter((worker) => !workers.includes(worker));
    const joined = workers.filter((worker) => !this.#workers.includes(worker));
    if (left.length === 0 && joined.length === 0) return;
    this.#workers = workers;
    for (const worker of workers) this.#engine.send(worker, { type: 'setRoomWorkers', room: this.#room, workers });
    for (const worker of left) this.#engine.send(worker, { type: 'setRoomWorkers', room: this.#room, workers: [] });
    if (this.#sinks.length > 0) this.#sendSinks(joined);
  }

  #setSinks(identities: string[]): void {
    this.#sinks = identities;
    this.#sendSinks(this.#workers);
  }

  #sendSinks(workers: readonly WorkerId[]): void {
    const identities = this.#sinks;
    for (const worker of workers) this.#engine.send(worker, { type: 'setDataSinks', room: this.#room, identities });
  }

  /** SendData of the API; one with a nonce that was seen is dropped. */
  sendUserPacket(request: SendDataRequest, sidToIdentity: (sid: string) => string | undefined): void {
    if (this.#isRepeated(request.nonce)) return;
    const { kind, destinationIdentities, destinationSids, data: payload, nonce } = request;
    const named = [...destinationIdentities, ...destinationSids.flatMap((sid) => sidToIdentity(sid) ?? [])];
    const addressed = destinationIdentities.length + destinationSids.length > 0;
    if (addressed && named.length === 0) return;
    const user = new UserPacket({ payload, destinationSids, destinationIdentities, nonce });
    if (request.topic !== undefined) user.topic = request.topic;
    const packet = new DataPacket({ kind, destinationIdentities, value: { case: 'user', value: user } });
    this.#send(packet, named);
  }

  #isRepeated(nonce: Uint8Array): boolean {
    if (nonce.length === 0) return false;
    const key = Buffer.from(nonce).toString('hex');
    if (this.#nonces.has(key)) return true;
    this.#nonces.add(key);
    const [oldest] = this.#nonces;
    if (this.#nonces.size > MAX_NONCES && oldest !== undefined) this.#nonces.delete(oldest);
    return false;
  }

  #send(message: DataPacket, destinations: string[]): void {
    const packet = Buffer.from(message.toBinary()).toString('base64');
    const reliable = message.kind === DataPacket_Kind.RELIABLE;
    for (const worker of this.#workers) {
      this.#engine.send(worker, { type: 'sendData', room: this.#room, packet, reliable, destinations, except: null });
    }
  }

  close(): void {
    this.rpc.close();
    for (const peer of [...this.#peers.values()]) this.remove(peer);
    this.#engine.onRoomData(this.#room, undefined);
  }
}

/** Nonces of sent packets that are remembered per room. */
const MAX_NONCES = 100;
