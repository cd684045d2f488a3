/**
 * Egress, Ingress and SIP on a node without Redis: their workers are reached through it, so every call that may be made
 * at all is answered in livekit-server's words (livekit-facts 5.7).
 */

import { Empty } from '@bufbuild/protobuf';
import { TransferSIPParticipantRequest } from '@livekit/protocol';
import type { Claims } from '../auth/grants.ts';
import { RpcError } from '../lib/rpc-error.ts';
import { requireIngressAdmin, requireRoomAdmin, requireRoomRecord, requireSip } from './grants.ts';
import { method, type TwirpService } from './twirp.ts';

const EGRESS = [
  'StartEgress',
  'StartRoomCompositeEgress',
  'StartWebEgress',
  'StartParticipantEgress',
  'StartTrackCompositeEgress',
  'StartTrackEgress',
  'UpdateLayout',
  'UpdateStream',
  'ListEgress',
  'StopEgress',
];

const INGRESS = ['CreateIngress', 'UpdateIngress', 'ListIngress', 'DeleteIngress'];

const SIP_ADMIN = [
  'ListSIPTrunk',
  'CreateSIPInboundTrunk',
  'CreateSIPOutboundTrunk',
  'UpdateSIPInboundTrunk',
  'UpdateSIPOutboundTrunk',
  'GetSIPInboundTrunk',
  'GetSIPOutboundTrunk',
  'ListSIPInboundTrunk',
  'ListSIPOutboundTrunk',
  'DeleteSIPTrunk',
  'CreateSIPDispatchRule',
  'UpdateSIPDispatchRule',
  'ListSIPDispatchRule',
  'DeleteSIPDispatchRule',
];

/** By full name, for the router. */
export function unconnectedServices(): Record<string, TwirpService> {
  return {
    'livekit.Egress': refusing(EGRESS, 'egress', requireRoomRecord),
    'livekit.Ingress': refusing(INGRESS, 'ingress', requireIngressAdmin),
    'livekit.SIP': {
      ...refusing(SIP_ADMIN, 'sip', (claims) => requireSip(claims, 'admin')),
      ...refusing(['CreateSIPParticipant'], 'sip', (claims) => requireSip(claims, 'call')),
      TransferSIPParticipant: method(TransferSIPParticipantRequest, transfer),
    },
  };
}

function refusing(methods: string[], service: string, check: (claims: Claims | undefined) => void): TwirpService {
  // No field of the request matters: an empty message reads any.
  const refuse = method(Empty, async (_request, claims) => {
    check(claims);
    throw new RpcError('internal', `${service} not connected (redis required)`);
  });
  return Object.fromEntries(methods.map((name) => [name, refuse]));
}

/** The one method that looks at its request before it looks at the token. */
async function transfer(request: TransferSIPParticipantRequest, claims: Claims | undefined): Promise<never> {
  if (request.roomName === '') throw new RpcError('invalid_argument', 'Missing room name');
  if (request.participantIdentity === '') throw new RpcError('invalid_argument', 'Missing participant identity');
  requireSip(claims, 'call');
  requireRoomAdmin(claims, request.roomName);
  throw new RpcError('internal', 'sip not connected (redis required)');
}
