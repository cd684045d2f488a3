import { EgressInfo, EgressStatus } from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import type { Keyspace, KeyspaceWrite } from './keyspace.ts';
import { decode, decodeAll, decodeSome } from './store-records.ts';

/** Recordings and streams of the whole cluster, under livekit-server's keys (livekit-facts 6). */
export class EgressStore {
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  async load(id: string): Promise<EgressInfo | undefined> {
    const value = await this.#keyspace.hashGet(EGRESS, id);
    return value === undefined ? undefined : decode(EgressInfo, value, EGRESS);
  }

  /** All, or those of one room; `active`: only those that have not ended. In no particular order. */
  async list(room: RoomName | undefined, active: boolean): Promise<EgressInfo[]> {
    const known = room === undefined ? await this.#all() : await this.#ofRoom(room);
    const infos = [...known.values()];
    return active ? infos.filter(({ status }) => status < EgressStatus.EGRESS_COMPLETE) : infos;
  }

  async store(info: EgressInfo): Promise<void> {
    await this.#keyspace.many([
      { write: 'hashSet', key: EGRESS, field: info.egressId, value: info.toBinary() },
      { write: 'setAdd', key: ROOM_EGRESS + info.roomName, members: [info.egressId] },
    ]);
  }

  /** One that ended is kept until `removeEndedBefore`. */
  async update(info: EgressInfo): Promise<void> {
    const { egressId, roomName, endedAt } = info;
    const writes: KeyspaceWrite[] = [{ write: 'hashSet', key: EGRESS, field: egressId, value: info.toBinary() }];
    if (endedAt !== 0n) {
      writes.push({ write: 'hashSet', key: ENDED_EGRESS, field: egressId, value: `${roomName}|${endedAt}` });
    }
    await this.#keyspace.many(writes);
  }

  /** Forgets what ended earlier; `time` in nanoseconds since 1970. Returns how many that were. */
  async removeEndedBefore(time: bigint): Promise<number> {
    let removed = 0;
    for await (const page of this.#keyspace.hashPages(ENDED_EGRESS)) {
      for (const [id, value] of page) {
        const ended = parseEnded(value);
        if (ended === undefined || ended.at >= time) continue;
        await this.#keyspace.many([
          { write: 'setRemove', key: ROOM_EGRESS + ended.room, members: [id] },
          { write: 'hashRemove', key: EGRESS, fields: [id] },
          // Last, so that a later run finds what a failure left.
          { write: 'hashRemove', key: ENDED_EGRESS, fields: [id] },
        ]);
        removed += 1;
      }
    }
    return removed;
  }

  #all(): Promise<Map<string, EgressInfo>> {
    return decodeAll(this.#keyspace, EGRESS, EgressInfo);
  }

  async #ofRoom(room: RoomName): Promise<Map<string, EgressInfo>> {
    const ids = await this.#keyspace.setMembers(ROOM_EGRESS + room);
    return decodeSome(this.#keyspace, EGRESS, ids, EgressInfo);
  }
}

/** `<room>|<nanoseconds>`; undefined where it is something else. */
function parseEnded(value: Uint8Array): { room: string; at: bigint } | undefined {
  const parts = /^(.*)\|(-?\d+)$/su.exec(new TextDecoder().decode(value));
  if (parts === null) return undefined;
  const [, room = '', at = ''] = parts;
  return { room, at: BigInt(at) };
}

/** Hash: egress id → EgressInfo. */
const EGRESS = 'egress';
/** Set of egress ids. */
const ROOM_EGRESS = 'egress:room:';
/** Hash: egress id → `<room>|<endedAt in nanoseconds>`. */
const ENDED_EGRESS = 'ended_egress';
