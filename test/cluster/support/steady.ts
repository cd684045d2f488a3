/** A participant without media that comes back whenever it is sent away, as an SDK does, and keeps a diary of it. */

import { SignalRequest } from '@livekit/protocol';
import { WebSocket } from 'ws';
import { joinToken } from '../../e2e/support/server.ts';
import { connect, type SignalClient, v1 } from '../../e2e/support/signal.ts';
import { atEnd } from './endings.ts';

export interface Stay {
  sid: string;
  /** When it was let in, and when it lost the connection. */
  from: number;
  to: number | undefined;
}

const RETRY_MS = 250;

export class SteadyClient {
  readonly room: string;
  readonly identity: string;
  readonly stays: Stay[] = [];
  readonly #url: string;
  readonly #path: string;
  #client: SignalClient | undefined;
  #leaving = false;
  #done: Promise<void> = Promise.resolve();
  #firstJoin!: () => void;
  readonly #forget = atEnd(() => this.leave());
  readonly #joined = new Promise<void>((resolve) => {
    this.#firstJoin = resolve;
  });

  private constructor(url: string, path: string, room: string, identity: string) {
    this.#url = url;
    this.#path = path;
    this.room = room;
    this.identity = identity;
  }

  /** Resolves when it is in the room. */
  static async join(url: string, room: string, identity: string): Promise<SteadyClient> {
    const client = new SteadyClient(url, v1(await joinToken(room, identity)), room, identity);
    client.#done = client.#stay();
    await client.#joined;
    return client;
  }

  get inside(): boolean {
    return this.stays.at(-1)?.to === undefined && this.stays.length > 0;
  }

  /** The longest time outside between two stays, milliseconds; infinite where it is outside. */
  get outage(): number {
    if (!this.inside) return Number.POSITIVE_INFINITY;
    const outages = this.stays.slice(1).map(({ from }, index) => from - (this.stays[index]?.to ?? from));
    return Math.round(Math.max(0, ...outages));
  }

  async leave(): Promise<void> {
    this.#forget();
    this.#leaving = true;
    const open = this.#client?.socket.readyState === WebSocket.OPEN;
    if (open) this.#client?.send(new SignalRequest({ message: { case: 'leave', value: {} } } as never));
    this.#client?.close();
    await this.#done;
  }

  async #stay(): Promise<void> {
    while (!this.#leaving) {
      try {
        await this.#visit();
      } catch {
        // Refused, or away before it answered: asked again like after a stay.
      }
      if (!this.#leaving) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #visit(): Promise<void> {
    const client = await connect(this.#url + this.#path);
    this.#client = client;
    const ping = setInterval(() => {
      client.send(new SignalRequest({ message: { case: 'ping', value: BigInt(Date.now()) } }));
    }, 5_000);
    try {
      const gone = client.closed.then(() => {
        throw new Error('closed before it joined');
      });
      gone.catch(() => {});
      const { message } = await Promise.race([client.next('join', 5_000), gone]);
      const sid = message.case === 'join' ? (message.value.participant?.sid ?? '') : '';
      const stay: Stay = { sid, from: performance.now(), to: undefined };
      this.stays.push(stay);
      this.#firstJoin();
      await Promise.race([client.closed, client.next('leave', 2 ** 30)]);
      stay.to = performance.now();
    } finally {
      clearInterval(ping);
      client.socket.terminate();
    }
  }
}
