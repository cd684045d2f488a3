import type { NodeId, RoomName } from '../lib/ids.ts';
import type { NodeDirectory, Router } from './types.ts';

/** The router of a single node: every room is, or will be, here. */
export class LocalRouter<Host> implements Router<Host> {
  readonly #host: Host;
  readonly #node: NodeId;
  readonly #directory: NodeDirectory;

  constructor(host: Host, node: NodeId, directory: NodeDirectory) {
    this.#host = host;
    this.#node = node;
    this.#directory = directory;
  }

  /** Another node that is preferred does not exist, so it is not asked. */
  async hostForRoom(room: RoomName): Promise<Host> {
    const current = await this.#directory.nodeForRoom(room);
    if (current?.id !== this.#node) await this.#directory.assignRoom(room, this.#node);
    return this.#host;
  }
}
