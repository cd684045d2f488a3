import type { NodeId, RoomName } from '../lib/ids.ts';
import type { Keyspace } from './keyspace.ts';
import { decodeNode, encodeNode } from './node-record.ts';
import { NODES, ROOM_NODE_MAP } from './store-keys.ts';
import type { ClusterNode, NodeDirectory } from './types.ts';

export class StoredNodes implements NodeDirectory {
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  async register(node: ClusterNode): Promise<void> {
    await this.#keyspace.hashSet(NODES, node.id, encodeNode(node));
  }

  async unregister(id: NodeId): Promise<void> {
    await this.#keyspace.hashRemove(NODES, id);
  }

  async list(): Promise<ClusterNode[]> {
    const nodes = new Map<string, ClusterNode>();
    for await (const page of this.#keyspace.hashPages(NODES)) {
      for (const [id, record] of page) {
        const node = decodeNode(record);
        if (node !== undefined) nodes.set(id, node);
      }
    }
    return [...nodes.values()];
  }

  async nodeForRoom(room: RoomName): Promise<ClusterNode | undefined> {
    const id = await this.#keyspace.hashGet(ROOM_NODE_MAP, room);
    const record = id && (await this.#keyspace.hashGet(NODES, Buffer.from(id).toString()));
    return record && decodeNode(record);
  }

  async assignRoom(room: RoomName, node: NodeId): Promise<void> {
    await this.#keyspace.hashSet(ROOM_NODE_MAP, room, node);
  }
}
