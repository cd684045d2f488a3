import { IngressInfo, IngressInput, IngressState } from '@livekit/protocol';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Keyspace, KeyspaceWrite } from './keyspace.ts';
import { decode, decodeAll, decodeSome } from './store-records.ts';

/**
 * Inputs of the whole cluster, under livekit-server's keys (livekit-facts 6). What an input is and what state it is in are
 * stored apart: services write the one, ingress workers the other.
 */
export class IngressStore {
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** With its state, where it has one. */
  async load(id: string): Promise<IngressInfo | undefined> {
    const [value, state] = await Promise.all([this.#keyspace.hashGet(INGRESS, id), this.#keyspace.get(STATE + id)]);
    return value === undefined ? undefined : withState(decode(IngressInfo, value, INGRESS), state);
  }

  async loadByStreamKey(streamKey: string): Promise<IngressInfo | undefined> {
    const id = await this.#keyspace.hashGet(STREAM_KEYS, streamKey);
    return id === undefined ? undefined : this.load(new TextDecoder().decode(id));
  }

  /** All, or those of one room, in no particular order. */
  async list(room: RoomName | undefined): Promise<IngressInfo[]> {
    const known = room === undefined ? await this.#all() : await this.#ofRoom(room);
    const infos = [...known.values()];
    for (let from = 0; from < infos.length; from += STATES_AT_ONCE) {
      const some = infos.slice(from, from + STATES_AT_ONCE);
      const states = await Promise.all(some.map(({ ingressId }) => this.#keyspace.get(STATE + ingressId)));
      for (const [index, info] of some.entries()) withState(info, states[index]);
    }
    return infos;
  }

  /** Everything but the state. */
  async store(info: IngressInfo): Promise<void> {
    const { ingressId: id, streamKey, roomName } = info;
    if (id === '') throw new RpcError('internal', 'Missing IngressId');
    if (streamKey === '' && info.inputType !== IngressInput.URL_INPUT) {
      throw new RpcError('internal', 'Missing StreamKey');
    }
    const ways: KeyspaceWrite[] = [];
    if (streamKey !== '') ways.push({ write: 'hashSet', key: STREAM_KEYS, field: streamKey, value: id });
    if (roomName !== '') ways.push({ write: 'setAdd', key: ROOM_INGRESS + roomName, members: [id] });
    // First, so that no failure leaves a record that nobody can find; a way that leads nowhere does no harm.
    if (ways.length > 0) await this.#keyspace.many(ways);
    const former = await this.#swap(info);
    if (former !== '' && former !== roomName) await this.#keyspace.setRemove(ROOM_INGRESS + former, id);
  }

  /**
   * Whether the state was written: one that is older than what is stored of the same session is not. That of an earlier
   * session rejects with `failed_precondition`.
   */
  async storeState(id: string, state: IngressState): Promise<boolean> {
    if (id === '') throw new RpcError('internal', 'Missing IngressId');
    const value = state.toBinary();
    return this.#keyspace.replaceIf(STATE + id, (current) => {
      const former = current === undefined ? undefined : decode(IngressState, current, STATE + id);
      if (former === undefined || state.startedAt > former.startedAt) return value;
      if (state.startedAt < former.startedAt) throw outOfDate();
      // One worker writes all states of a session, so that its clock orders them.
      return state.updatedAt < former.updatedAt ? undefined : value;
    });
  }

  /** Idempotent. */
  async remove({ ingressId: id, roomName, streamKey }: IngressInfo): Promise<void> {
    const writes: KeyspaceWrite[] = [{ write: 'setRemove', key: ROOM_INGRESS + roomName, members: [id] }];
    if (streamKey !== '') writes.push({ write: 'hashRemove', key: STREAM_KEYS, fields: [streamKey] });
    writes.push({ write: 'hashRemove', key: INGRESS, fields: [id] }, { write: 'remove', key: STATE + id });
    await this.#keyspace.many(writes);
  }

  /** Returns the room that it had before. */
  async #swap(info: IngressInfo): Promise<string> {
    const stateless = info.clone();
    delete stateless.state;
    const next = stateless.toBinary();
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const former = await this.#keyspace.hashGet(INGRESS, info.ingressId);
      if (await this.#keyspace.hashSwap(INGRESS, info.ingressId, former, next)) {
        return former === undefined ? '' : decode(IngressInfo, former, INGRESS).roomName;
      }
    }
    throw new RpcError('aborted', 'the ingress is changed by others all the time');
  }

  #all(): Promise<Map<string, IngressInfo>> {
    return decodeAll(this.#keyspace, INGRESS, IngressInfo);
  }

  async #ofRoom(room: RoomName): Promise<Map<string, IngressInfo>> {
    const ids = await this.#keyspace.setMembers(ROOM_INGRESS + room);
    return decodeSome(this.#keyspace, INGRESS, ids, IngressInfo);
  }
}

function withState(info: IngressInfo, state: Uint8Array | undefined): IngressInfo {
  if (state !== undefined) info.state = decode(IngressState, state, STATE + info.ingressId);
  return info;
}

/** In livekit-server's spelling: workers and tools may look for it. */
function outOfDate(): RpcError {
  return new RpcError('failed_precondition', 'trying to ovewrite an ingress with an older version');
}

/** Hash: ingress id → IngressInfo without its state. */
const INGRESS = 'ingress';
/** Hash: stream key → ingress id. */
const STREAM_KEYS = '{ingress}_stream_key';
/** String: IngressState. */
const STATE = '{ingress}_state:';
/** Set of ingress ids. */
const ROOM_INGRESS = 'room_{ingress}:';
const MOST_ATTEMPTS = 5;
const STATES_AT_ONCE = 100;
