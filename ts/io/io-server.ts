import { Empty, type Message } from '@bufbuild/protobuf';
import { type EgressInfo, type IngressInfo, IngressState, ListEgressResponse } from '@livekit/protocol';
import {
  type EvaluateSIPDispatchRulesRequest,
  type EvaluateSIPDispatchRulesResponse,
  type GetIngressInfoRequest,
  GetIngressInfoResponse,
  type GetSIPTrunkAuthenticationRequest,
  type GetSIPTrunkAuthenticationResponse,
  type UpdateIngressStateRequest,
  type UpdateMetricsRequest,
} from '../gen/rpc_pb.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { Method } from '../psrpc/method.ts';
import type { Registration, RpcServer } from '../psrpc/server.ts';
import { IOInfo } from '../psrpc/services.ts';
import type { NotifyingEgressRecords } from './egress-records.ts';
import type { NotifyingIngressRecords } from './ingress-records.ts';

/** What SIP workers ask of the node. */
export interface SipQuestions {
  getTrunkAuthentication(request: GetSIPTrunkAuthenticationRequest): Promise<GetSIPTrunkAuthenticationResponse>;
  evaluateDispatchRules(request: EvaluateSIPDispatchRulesRequest): Promise<EvaluateSIPDispatchRulesResponse>;
}

export interface IoServerParts {
  readonly rpc: RpcServer;
  readonly egress: NotifyingEgressRecords;
  readonly ingress: NotifyingIngressRecords;
  readonly sip: SipQuestions;
  readonly log: { info(fields: object, message: string): void };
}

/** `IOInfo` of livekit's workers (livekit-facts 7.3). Any node answers any of them. */
export class IoServer {
  readonly #parts: IoServerParts;
  readonly #registrations: Registration[] = [];

  constructor(parts: IoServerParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    await Promise.all([this.#startEgress(), this.#startIngress(), this.#startSip()]);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#registrations.splice(0).map((registration) => registration.end()));
  }

  async #startEgress(): Promise<void> {
    const { egress, log } = this.#parts;
    await this.#handle(IOInfo.CreateEgress, (info: EgressInfo) => done(egress.create(info)));
    await this.#handle(IOInfo.UpdateEgress, (info: EgressInfo) => done(egress.update(info)));
    await this.#handle(IOInfo.GetEgress, ({ egressId }) => egress.get(egressId));
    await this.#handle(
      IOInfo.ListEgress,
      async (request) => new ListEgressResponse({ items: await egress.list(request) }),
    );
    await this.#handle(IOInfo.UpdateMetrics, async ({ info, avgCpuUsage, maxCpuUsage }: UpdateMetricsRequest) => {
      log.info({ egressID: info?.egressId, avgCpu: avgCpuUsage, maxCpu: maxCpuUsage }, 'received egress metrics');
      return new Empty();
    });
  }

  async #startIngress(): Promise<void> {
    const { ingress } = this.#parts;
    await this.#handle(IOInfo.CreateIngress, async (info: IngressInfo) => {
      await ingress.create(info);
      return new GetIngressInfoResponse({ info });
    });
    await this.#handle(IOInfo.GetIngressInfo, async (request: GetIngressInfoRequest) => {
      // Without a token: workers make one with their own API key.
      return new GetIngressInfoResponse({ info: await this.#findIngress(request) });
    });
    await this.#handle(IOInfo.UpdateIngressState, ({ ingressId, state }: UpdateIngressStateRequest) =>
      done(this.#updateIngressState(ingressId, state ?? new IngressState())),
    );
  }

  async #startSip(): Promise<void> {
    const { sip } = this.#parts;
    await this.#handle(IOInfo.GetSIPTrunkAuthentication, (request) => sip.getTrunkAuthentication(request));
    await this.#handle(IOInfo.EvaluateSIPDispatchRules, (request) => sip.evaluateDispatchRules(request));
    // Nobody here looks at the state of calls: participants and their attributes tell of them.
    await this.#handle(IOInfo.UpdateSIPCallState, async () => new Empty());
    await this.#handle(IOInfo.RecordCallContext, async () => new Empty());
  }

  #findIngress({ ingressId, streamKey }: GetIngressInfoRequest): Promise<IngressInfo> {
    const { ingress } = this.#parts;
    if (ingressId !== '') return ingress.get(ingressId);
    if (streamKey !== '') return ingress.getByStreamKey(streamKey);
    throw new RpcError('unknown', 'request needs to specify either IngressId or StreamKey');
  }

  async #updateIngressState(ingressId: string, state: IngressState): Promise<void> {
    const { ingress, log } = this.#parts;
    await ingress.updateState(ingressId, state);
    const error = state.error === '' ? {} : { error: state.error };
    log.info({ ingressID: ingressId, status: state.status, ...error }, 'ingress state updated');
  }

  async #handle<Req extends Message<Req>, Res extends Message<Res>>(
    method: Method<Req, Res, 'queue'>,
    handler: (request: Req) => Promise<Res>,
  ): Promise<void> {
    this.#registrations.push(await this.#parts.rpc.handle(method, '', handler));
  }
}

async function done(work: Promise<void>): Promise<Empty> {
  await work;
  return new Empty();
}
