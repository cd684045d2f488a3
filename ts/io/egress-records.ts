import { type EgressInfo, EgressStatus, type ListEgressRequest } from '@livekit/protocol';
import type { EgressRecords } from '../api/types.ts';
import type { EgressStore } from '../cluster/egress-store.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { egressEvent, type Notify } from './webhook-events.ts';

/** The store of egresses, with the events that follow from what is written there. */
export class NotifyingEgressRecords implements EgressRecords {
  readonly #store: EgressStore;
  readonly #notify: Notify;

  constructor(store: EgressStore, notify: Notify) {
    this.#store = store;
    this.#notify = notify;
  }

  /** The service that launched it and its worker both tell of it: there is one event. */
  async create(info: EgressInfo): Promise<void> {
    if ((await this.#store.load(info.egressId)) !== undefined) return;
    await this.#store.store(info);
    this.#notify(egressEvent('egress_started', info));
  }

  /** What happened is told even where it can't be stored; that rejects all the same. */
  async update(info: EgressInfo): Promise<void> {
    try {
      await this.#store.update(info);
    } finally {
      const event = EVENT_OF[info.status];
      if (event !== undefined) this.#notify(egressEvent(event, info));
    }
  }

  async get(id: string): Promise<EgressInfo> {
    const info = await this.#store.load(id);
    if (info === undefined) throw new RpcError('not_found', 'egress does not exist');
    return info;
  }

  async list(filter: Pick<ListEgressRequest, 'egressId' | 'roomName' | 'active'>): Promise<EgressInfo[]> {
    if (filter.egressId !== '') return [await this.get(filter.egressId)];
    return this.#store.list(filter.roomName === '' ? undefined : (filter.roomName as RoomName), filter.active);
  }
}

const EVENT_OF: Readonly<Partial<Record<EgressStatus, 'egress_updated' | 'egress_ended'>>> = {
  [EgressStatus.EGRESS_ACTIVE]: 'egress_updated',
  [EgressStatus.EGRESS_ENDING]: 'egress_updated',
  [EgressStatus.EGRESS_COMPLETE]: 'egress_ended',
  [EgressStatus.EGRESS_FAILED]: 'egress_ended',
  [EgressStatus.EGRESS_ABORTED]: 'egress_ended',
  [EgressStatus.EGRESS_LIMIT_REACHED]: 'egress_ended',
};
