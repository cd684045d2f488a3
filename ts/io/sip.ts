/** What SIP workers ask about calls that come in (livekit-facts 7.3). */

import { ProviderInfo, ProviderType, type SIPInboundTrunkInfo } from '@livekit/protocol';
import type { SipStore } from '../cluster/sip-store.ts';
import {
  type EvaluateSIPDispatchRulesRequest,
  EvaluateSIPDispatchRulesResponse,
  type GetSIPTrunkAuthenticationRequest,
  GetSIPTrunkAuthenticationResponse,
} from '../gen/rpc_pb.ts';
import { callToAuthenticate, callToDispatch, type InboundCall, inboundCall } from '../sip/call.ts';
import { matchDispatchRule } from '../sip/dispatch-rules.ts';
import { evaluate, RESULT } from '../sip/evaluate.ts';
import { matchTrunk } from '../sip/match-trunk.ts';
import { sameNumber } from '../sip/number.ts';
import type { SipQuestions } from './io-server.ts';

export class SipCalls implements SipQuestions {
  readonly #store: SipStore;

  constructor(store: SipStore) {
    this.#store = store;
  }

  /** Empty where no trunk takes the call. */
  async getTrunkAuthentication(request: GetSIPTrunkAuthenticationRequest): Promise<GetSIPTrunkAuthenticationResponse> {
    const trunk = await this.#trunkOf('', inboundCall(callToAuthenticate(request)));
    if (trunk === undefined) return new GetSIPTrunkAuthenticationResponse();
    const { sipTrunkId, authUsername: username, authPassword: password, authRealm: realm, name } = trunk;
    const providerInfo = new ProviderInfo({ id: sipTrunkId, name, type: ProviderType.EXTERNAL });
    return new GetSIPTrunkAuthenticationResponse({ sipTrunkId, username, password, realm, providerInfo });
  }

  async evaluateDispatchRules(request: EvaluateSIPDispatchRulesRequest): Promise<EvaluateSIPDispatchRulesResponse> {
    const call = inboundCall(callToDispatch(request));
    const trunk = await this.#trunkOf(request.sipTrunkId, call);
    const sipTrunkId = trunk?.sipTrunkId ?? '';
    const rules = (await this.#store.listDispatchRules()).filter(
      ({ trunkIds }) => sipTrunkId === '' || trunkIds.length === 0 || trunkIds.includes(sipTrunkId),
    );
    const { pin, noPin, extraAttributes } = request;
    const callingNumber = request.callingNumber || call.from.user;
    const calledNumber = request.calledNumber || call.to.user;
    const rule = matchDispatchRule(trunk, rules, { callingNumber, calledNumber, pin, noPin });
    if (rule === undefined) return new EvaluateSIPDispatchRulesResponse({ sipTrunkId, result: RESULT.DROP });
    return evaluate({ call, trunk, askedTrunkId: request.sipTrunkId, rule, pin, extraAttributes });
  }

  /** The worker may know the trunk already, from authenticating the call. */
  async #trunkOf(known: string, call: InboundCall): Promise<SIPInboundTrunkInfo | undefined> {
    if (known !== '') {
      const trunk = await this.#store.loadInboundTrunk(known);
      if (trunk !== undefined) return matchTrunk([trunk], call);
    }
    const trunks = await this.#store.listInboundTrunks();
    const forNumber = trunks.filter(
      ({ numbers }) => numbers.length === 0 || numbers.some((number) => sameNumber(number, call.to.user)),
    );
    return matchTrunk(forNumber, call);
  }
}
