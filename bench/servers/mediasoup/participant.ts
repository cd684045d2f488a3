/** One client: what it says and what it is told. */

import {
  type AddTrackRequest,
  JoinResponse,
  ParticipantInfo,
  ParticipantInfo_State,
  type Ping,
  Pong,
  Room as RoomInfo,
  type SessionDescription,
  SignalRequest,
  SignalResponse,
  TrackPublishedResponse,
  type UpdateSubscription,
  type UpdateTrackSettings,
} from '@livekit/protocol';
import type { Transport } from './api.ts';
import { Publishing } from './publishing.ts';
import type { Room } from './room.ts';
import { sid } from './sid.ts';
import { Subscribing } from './subscribing.ts';
import type { Ticket } from './ticket.ts';
import type { Track } from './track.ts';

type Response = SignalResponse['message'];

export class Participant {
  readonly sid = sid('PA');
  readonly publishing: Publishing;
  readonly #identity: string;
  readonly #autoSubscribe: boolean;
  readonly #room: Room;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #end: () => void;
  readonly #transports: Transport[] = [];
  #receiving: Promise<Subscribing> | undefined;
  #left = false;

  /** `end` closes its connection. */
  constructor(ticket: Ticket, room: Room, write: (bytes: Uint8Array) => void, end: () => void) {
    this.#identity = ticket.identity;
    this.#autoSubscribe = ticket.autoSubscribe;
    this.#room = room;
    this.#write = write;
    this.#end = end;
    this.publishing = new Publishing(this.sid, () => this.#open());
  }

  /** Tells it of the room, and offers what is there. */
  begin(): void {
    const { name, sid: roomSid } = this.#room;
    const join = new JoinResponse({
      room: new RoomInfo({ name, sid: roomSid }),
      participant: this.info(),
      otherParticipants: this.#room.publishers(this),
      subscriberPrimary: true,
      pingInterval: PING_INTERVAL,
      pingTimeout: PING_TIMEOUT,
    });
    this.tell({ case: 'join', value: join });
    const offer = (value: SessionDescription) => this.tell({ case: 'offer', value });
    this.#receiving = this.#open().then((transport) => new Subscribing(transport, this.#room.capabilities, offer));
    // The room as it is by then; what comes later is told.
    this.#receive((subscribing) => subscribing.add(this.#autoSubscribe ? this.#room.tracksFor(this) : []));
  }

  info(): ParticipantInfo {
    return new ParticipantInfo({
      sid: this.sid,
      identity: this.#identity,
      state: this.#left ? ParticipantInfo_State.DISCONNECTED : ParticipantInfo_State.ACTIVE,
      tracks: this.publishing.tracks.map(({ info }) => info),
      isPublisher: this.publishing.tracks.length > 0,
    });
  }

  tell(message: Response): void {
    this.write(new SignalResponse({ message }).toBinary());
  }

  write(bytes: Uint8Array): void {
    if (!this.#left) this.#write(bytes);
  }

  /** Whoever takes everything receives these; who chooses has been told of them. */
  handlePublished(tracks: readonly Track[]): void {
    if (this.#autoSubscribe) this.#receive((subscribing) => subscribing.add(tracks));
  }

  handleUnpublished(tracks: readonly Track[]): void {
    this.#receive((subscribing) => subscribing.remove(tracks));
  }

  handleMessage(bytes: Uint8Array): void {
    const { message } = SignalRequest.fromBinary(bytes);
    switch (message.case) {
      case 'addTrack':
        this.#announce(message.value);
        break;
      case 'offer':
        this.#watch(this.#publish(message.value));
        break;
      case 'answer':
        this.#receive((subscribing) => subscribing.handleAnswer(message.value));
        break;
      case 'subscription':
        this.#choose(message.value);
        break;
      case 'trackSetting':
        this.#wish(message.value);
        break;
      case 'ping':
        this.tell({ case: 'pong', value: BigInt(Date.now()) });
        break;
      case 'pingReq':
        this.#pong(message.value);
        break;
      case 'leave':
        this.#end();
        break;
      // Candidates above all: mediasoup is an ICE lite agent and needs none.
      default:
    }
  }

  /** Its connection is gone. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    for (const transport of this.#transports) transport.close();
    this.#room.leave(this);
  }

  #announce(request: AddTrackRequest): void {
    const track = this.publishing.announce(request);
    this.tell({ case: 'trackPublished', value: new TrackPublishedResponse({ cid: request.cid, track }) });
  }

  #choose({ trackSids, subscribe }: UpdateSubscription): void {
    const tracks = this.#room.tracks(trackSids);
    this.#receive((subscribing) => (subscribe ? subscribing.add(tracks) : subscribing.remove(tracks)));
  }

  #wish({ trackSids, quality, disabled }: UpdateTrackSettings): void {
    for (const track of trackSids) this.#receive((subscribing) => subscribing.wish(track, quality, disabled));
  }

  #pong({ timestamp }: Ping): void {
    const value = new Pong({ lastPingTimestamp: timestamp, timestamp: BigInt(Date.now()) });
    this.tell({ case: 'pongResp', value });
  }

  async #publish(offer: SessionDescription): Promise<void> {
    const { answer, tracks } = await this.publishing.answer(offer);
    this.tell({ case: 'answer', value: answer });
    if (tracks.length > 0 && !this.#left) this.#room.publish(this, tracks);
  }

  async #open(): Promise<Transport> {
    const transport = await this.#room.openTransport();
    this.#transports.push(transport);
    if (this.#left) transport.close();
    return transport;
  }

  #receive(act: (subscribing: Subscribing) => Promise<void> | void): void {
    if (this.#receiving !== undefined) this.#watch(this.#receiving.then(act));
  }

  /** What fails ends this participant alone; what fails because it has left is nothing. */
  #watch(work: Promise<void>): void {
    work.catch((error: Error) => {
      if (this.#left) return;
      process.stderr.write(`${this.#identity}: ${error.stack ?? error.message}\n`);
      this.#end();
    });
  }
}

/** Seconds; livekit's. */
const PING_INTERVAL = 5;
const PING_TIMEOUT = 15;
