import { type IngressInfo, IngressState, IngressState_Status } from '@livekit/protocol';
import type { IngressRecords } from '../api/types.ts';
import type { IngressStore } from '../cluster/ingress-store.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { ingressEvent, type Notify } from './webhook-events.ts';

/** The store of ingresses, with the events that follow from what is written there. */
export class NotifyingIngressRecords implements IngressRecords {
  readonly #store: IngressStore;
  readonly #notify: Notify;

  constructor(store: IngressStore, notify: Notify) {
    this.#store = store;
    this.#notify = notify;
  }

  /** Rejects with `failed_precondition` where it is known, with a session of its own. */
  async create(info: IngressInfo): Promise<void> {
    await this.#store.store(info);
    await this.#store.storeState(info.ingressId, new IngressState());
  }

  async get(id: string): Promise<IngressInfo> {
    return known(await this.#store.load(id));
  }

  async getByStreamKey(streamKey: string): Promise<IngressInfo> {
    return known(await this.#store.loadByStreamKey(streamKey));
  }

  list(room: RoomName | undefined): Promise<IngressInfo[]> {
    return this.#store.list(room);
  }

  update(info: IngressInfo): Promise<void> {
    return this.#store.store(info);
  }

  /** News that comes late, after later news, changes nothing and is no event. */
  async updateState(id: string, state: IngressState): Promise<void> {
    const info = await this.get(id);
    const former = info.state?.status ?? IngressState_Status.ENDPOINT_INACTIVE;
    const stored = await this.#store.storeState(id, state);
    if (!stored || state.status === former) return;
    const event = EVENT_OF[state.status];
    if (event === undefined) return;
    info.state = state;
    this.#notify(ingressEvent(event, info));
  }

  remove(info: IngressInfo): Promise<void> {
    return this.#store.remove(info);
  }
}

function known(info: IngressInfo | undefined): IngressInfo {
  if (info === undefined) throw new RpcError('not_found', 'ingress does not exist');
  return info;
}

const EVENT_OF: Readonly<Partial<Record<IngressState_Status, 'ingress_started' | 'ingress_ended'>>> = {
  [IngressState_Status.ENDPOINT_PUBLISHING]: 'ingress_started',
  [IngressState_Status.ENDPOINT_ERROR]: 'ingress_ended',
  [IngressState_Status.ENDPOINT_INACTIVE]: 'ingress_ended',
  [IngressState_Status.ENDPOINT_COMPLETE]: 'ingress_ended',
};
