import {
  AddTrackRequest,
  SessionDescription,
  SignalRequest,
  SignalResponse,
  TrackSource,
  TrackType,
} from '@livekit/protocol';
import type { ServerSocket, SocketListener } from '../http/types.ts';
import type { Frame } from '../signal/codec.ts';
import { answerTo, DATA_OFFER, PUBLISHER_OFFER } from './descriptions.ts';

/** The other end of a signal connection: answers offers, and publishes a camera where it is told to. */
export class RehearsedClient implements ServerSocket {
  readonly #publishes: boolean;
  #server: SocketListener | undefined;

  constructor(publishes: boolean) {
    this.#publishes = publishes;
  }

  /** The connection stands. */
  begin(server: SocketListener): void {
    this.#server = server;
    if (this.#publishes) {
      const { VIDEO } = TrackType;
      const { CAMERA } = TrackSource;
      const track = new AddTrackRequest({ cid: 'camera', type: VIDEO, source: CAMERA, width: 1280, height: 720 });
      this.#say({ case: 'addTrack', value: track });
    }
    const sdp = this.#publishes ? PUBLISHER_OFFER : DATA_OFFER;
    this.#say({ case: 'offer', value: new SessionDescription({ type: 'offer', sdp, id: 1 }) });
    this.#say({ case: 'ping', value: 1n });
  }

  leave(): void {
    this.#server?.closed(1000);
  }

  send(frame: Frame): void {
    if (typeof frame === 'string' || frame[0] !== OFFER_TAG) return;
    const { message } = SignalResponse.fromBinary(frame);
    if (message.case !== 'offer') return;
    const { sdp, id } = message.value;
    const answer = new SessionDescription({ type: 'answer', sdp: answerTo(sdp), id });
    // As from a network: never while the server is still speaking.
    setImmediate(() => this.#say({ case: 'answer', value: answer }));
  }

  ping(): void {}

  bufferedBytes(): number {
    return 0;
  }

  close(code: number): void {
    this.#server?.closed(code);
  }

  terminate(): void {
    this.#server?.closed(1006);
  }

  #say(message: SignalRequest['message']): void {
    this.#server?.message(new SignalRequest({ message }).toBinary());
  }
}

/** First byte of a response that is an offer: field 3, length-delimited (livekit_rtc.proto). */
const OFFER_TAG = 0x1a;
