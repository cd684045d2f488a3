/** All rooms of the server, on one worker. */

import type { Mediasoup, TransportOptions, Worker } from './api.ts';
import { CODECS, subscriberCapabilities } from './capabilities.ts';
import { Room } from './room.ts';
import type { Settings } from './settings.ts';

export class Rooms {
  readonly #worker: Worker;
  readonly #transport: TransportOptions;
  readonly #sendSideBwe: boolean;
  readonly #rooms = new Map<string, Promise<Room>>();

  private constructor(worker: Worker, transport: TransportOptions, sendSideBwe: boolean) {
    this.#worker = worker;
    this.#transport = transport;
    this.#sendSideBwe = sendSideBwe;
  }

  /** Starts the worker; `handleDeath` hears when it ends by itself. */
  static async start(mediasoup: Mediasoup, settings: Settings, handleDeath: (error: Error) => void): Promise<Rooms> {
    const worker = await mediasoup.createWorker({ logLevel: 'warn' });
    worker.on('died', handleDeath);
    const { ip, ports, mux, sendSideBwe } = settings;
    const listen = { protocol: 'udp', ip } as const;
    const at = mux
      ? { webRtcServer: await worker.createWebRtcServer({ listenInfos: [{ ...listen, port: ports.first }] }) }
      : { listenInfos: [{ ...listen, portRange: { min: ports.first, max: ports.last } }] };
    return new Rooms(worker, { ...at, enableSctp: true }, sendSideBwe);
  }

  /** The room of this name, made where there is none. */
  room(name: string): Promise<Room> {
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = this.#make(name);
      this.#rooms.set(name, room);
    }
    return room;
  }

  close(): void {
    this.#worker.close();
  }

  async #make(name: string): Promise<Room> {
    const router = await this.#worker.createRouter({ mediaCodecs: CODECS });
    const capabilities = subscriberCapabilities(router.rtpCapabilities, this.#sendSideBwe);
    return new Room(name, router, this.#transport, capabilities, () => this.#rooms.delete(name));
  }
}
