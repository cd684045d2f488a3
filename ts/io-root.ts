/** Egress, ingress and SIP: their services, the IOInfo that their workers ask, and what rooms record by themselves. */

import { setTimeout as delay } from 'node:timers/promises';
import type { WebhookEvent } from '@livekit/protocol';
import { EgressLauncher } from './api/egress-launcher.ts';
import { egressService } from './api/egress-service.ts';
import { ingressService } from './api/ingress-service.ts';
import type { ApiLimits } from './api/limits.ts';
import { sipService } from './api/sip-service.ts';
import type { TwirpService } from './api/twirp.ts';
import type { HostControls, RoomDirectory } from './api/types.ts';
import { EgressStore } from './cluster/egress-store.ts';
import { IngressStore } from './cluster/ingress-store.ts';
import type { Keyspace } from './cluster/keyspace.ts';
import { SipStore } from './cluster/sip-store.ts';
import type { RoomStore } from './cluster/types.ts';
import type { Config } from './config/schema.ts';
import { NotifyingEgressRecords } from './io/egress-records.ts';
import { EndedEgressSweeper } from './io/ended-egress-sweeper.ts';
import { NotifyingIngressRecords } from './io/ingress-records.ts';
import { IoServer } from './io/io-server.ts';
import { SipCalls } from './io/sip.ts';
import { egressEvent, type Notify } from './io/webhook-events.ts';
import type { Log } from './log/log.ts';
import type { RpcClient } from './psrpc/client.ts';
import type { RpcServer } from './psrpc/server.ts';
import type { AutoEgress } from './room/auto-egress.ts';

export interface IoParts {
  readonly config: Pick<Config, 'psrpc' | 'ingress'>;
  readonly keyspace: Keyspace;
  readonly rooms: RoomStore;
  readonly client: RpcClient;
  readonly server: RpcServer;
  readonly log: Log;
}

/** What a node with Redis has for egress and ingress workers. */
export class WorkerServices {
  /** For the rooms of this node. */
  readonly autoEgress: AutoEgress;
  readonly #parts: IoParts;
  readonly #egress: NotifyingEgressRecords;
  readonly #ingress: NotifyingIngressRecords;
  readonly #sip: SipStore;
  readonly #launcher: EgressLauncher;
  readonly #server: IoServer;
  readonly #sweeper: EndedEgressSweeper;

  constructor(parts: IoParts) {
    const { keyspace, server, log } = parts;
    const notify: Notify = (event) => logEvent(log, event);
    const store = new EgressStore(keyspace);
    this.#parts = parts;
    this.#sip = new SipStore(keyspace);
    const sip = new SipCalls(this.#sip);
    this.#egress = new NotifyingEgressRecords(store, notify);
    this.#ingress = new NotifyingIngressRecords(new IngressStore(keyspace), notify);
    this.#launcher = this.#egressLauncher();
    this.#server = new IoServer({ rpc: server, egress: this.#egress, ingress: this.#ingress, sip, log });
    this.#sweeper = new EndedEgressSweeper({
      store,
      now: () => Date.now(),
      onError: (error) => log.warn({ error: String(error) }, 'could not clean up ended egresses'),
    });
    this.autoEgress = {
      start: (request) => this.#launcher.start(request),
      failed: (info) => notify(egressEvent('egress_ended', info)),
    };
  }

  /** By full name, for the router. */
  twirp(controls: HostControls, directory: RoomDirectory, limits: ApiLimits): Record<string, TwirpService> {
    const { config, client: rpc, log } = this.#parts;
    const { rtmp_base_url: rtmp, whip_base_url: whip } = config.ingress;
    return {
      'livekit.Egress': egressService({
        launcher: this.#launcher,
        rpc,
        records: this.#egress,
        participants: controls,
        directory,
        limits,
      }),
      'livekit.Ingress': ingressService({ rpc, records: this.#ingress, baseUrls: { rtmp, whip }, log }),
      'livekit.SIP': sipService({ records: this.#sip, rpc, directory }),
    };
  }

  async start(): Promise<void> {
    await this.#server.start();
    this.#sweeper.start();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#server.close();
    await this.#sweeper.close();
  }

  #egressLauncher(): EgressLauncher {
    const { client, config, rooms, log } = this.#parts;
    return new EgressLauncher({
      rpc: client,
      records: this.#egress,
      loadRoom: async (name) => (await rooms.load(name))?.room,
      timeoutMs: config.psrpc.timeout,
      // A server that ends does not wait for it.
      wait: (ms) => delay(ms, undefined, { ref: false }),
      random: Math.random,
      onError: (error, egressID) => log.error({ egressID, error: String(error) }, 'failed to create egress'),
    });
  }
}

/** Never the request: it may hold keys of storage. */
function logEvent(log: Log, { event, room, egressInfo, ingressInfo }: WebhookEvent): void {
  const egress = egressInfo === undefined ? {} : { egressID: egressInfo.egressId, status: egressInfo.status };
  const ingress = ingressInfo === undefined ? {} : { ingressID: ingressInfo.ingressId };
  const error = egressInfo?.error || ingressInfo?.state?.error;
  log.info({ event, room: room?.name, ...egress, ...ingress, ...(error ? { error } : {}) }, 'webhook event');
}
