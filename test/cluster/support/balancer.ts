/**
 * One address for a fleet, as a TCP balancer in front of it gives: a new connection goes to a node that is ready, where none
 * is to one that is alive.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, connect as open, type Server, type Socket } from 'node:net';
import { atEnd } from './endings.ts';
import type { ClusterNode } from './fleet.ts';

export class Balancer {
  readonly url: string;
  readonly #server: Server;
  readonly #nodes: () => readonly ClusterNode[];
  readonly #forget = atEnd(() => this.close());
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor(server: Server, nodes: () => readonly ClusterNode[]) {
    this.#server = server;
    this.#nodes = nodes;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => void this.#accept(socket));
  }

  /** `nodes` is asked at each connection. */
  static async start(nodes: () => readonly ClusterNode[]): Promise<Balancer> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Balancer(server, nodes);
  }

  async close(): Promise<void> {
    this.#forget();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #accept(client: Socket): Promise<void> {
    client.on('error', () => {});
    this.#keep(client);
    const node = await this.#choose();
    if (node === undefined || client.destroyed) {
      client.destroy();
      return;
    }
    const far = open(node.port, '127.0.0.1');
    this.#keep(far);
    far.on('error', () => {});
    // What was said last still arrives.
    far.on('close', (failed) => (failed ? client.destroy() : client.end()));
    client.on('close', () => far.end());
    client.pipe(far).pipe(client);
    client.resume();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #choose(): Promise<ClusterNode | undefined> {
    const living = this.#nodes().filter((node) => node.running);
    const states = await Promise.all(living.map((node) => node.status(node.kind === 'sluice' ? '/readyz' : '/', 500)));
    const ready = living.filter((_, index) => states[index] === 200);
    const choice = ready.length > 0 ? ready : living;
    return choice[this.#turn++ % Math.max(choice.length, 1)];
  }
}
