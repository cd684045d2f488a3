/** `livekit.SIP`: telephone trunks, dispatch rules and calls (livekit-facts 5.6). */

import type { Message, MessageType } from '@bufbuild/protobuf';
import {
  CreateSIPDispatchRuleRequest,
  CreateSIPInboundTrunkRequest,
  CreateSIPOutboundTrunkRequest,
  CreateSIPParticipantRequest,
  CreateSIPTrunkRequest,
  DeleteSIPDispatchRuleRequest,
  DeleteSIPTrunkRequest,
  GetSIPInboundTrunkRequest,
  GetSIPOutboundTrunkRequest,
  ListSIPDispatchRuleRequest,
  ListSIPInboundTrunkRequest,
  ListSIPOutboundTrunkRequest,
  ListSIPTrunkRequest,
  type Pagination,
  type ParticipantInfo,
  type SIPDispatchRuleInfo,
  type SIPInboundTrunkInfo,
  type SIPOutboundTrunkInfo,
  type SIPTrunkInfo,
  TransferSIPParticipantRequest,
  UpdateSIPDispatchRuleRequest,
  UpdateSIPInboundTrunkRequest,
  UpdateSIPOutboundTrunkRequest,
} from '@livekit/protocol';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcClient } from '../psrpc/client.ts';
import { requireRoomAdmin, requireSip } from './grants.ts';
import { SipCalls } from './sip-calls.ts';
import { SipTrunks } from './sip-trunks.ts';
import { method, type TwirpMethod, type TwirpService } from './twirp.ts';
import type { RoomDirectory } from './types.ts';

/** What is stored of SIP; values are copies. */
export interface SipRecords {
  storeTrunk(trunk: SIPTrunkInfo): Promise<void>;
  storeInboundTrunk(trunk: SIPInboundTrunkInfo): Promise<void>;
  storeOutboundTrunk(trunk: SIPOutboundTrunkInfo): Promise<void>;
  storeDispatchRule(rule: SIPDispatchRuleInfo): Promise<void>;
  loadInboundTrunk(id: string): Promise<SIPInboundTrunkInfo | undefined>;
  loadOutboundTrunk(id: string): Promise<SIPOutboundTrunkInfo | undefined>;
  loadDispatchRule(id: string): Promise<SIPDispatchRuleInfo | undefined>;
  /** Lists are sorted by id; a page is so many behind an id. */
  listTrunks(page?: Pagination): Promise<SIPTrunkInfo[]>;
  listInboundTrunks(page?: Pagination): Promise<SIPInboundTrunkInfo[]>;
  listOutboundTrunks(page?: Pagination): Promise<SIPOutboundTrunkInfo[]>;
  listDispatchRules(page?: Pagination): Promise<SIPDispatchRuleInfo[]>;
  removeTrunk(id: string): Promise<void>;
  removeDispatchRule(id: string): Promise<void>;
}

export interface SipServiceParts {
  readonly records: SipRecords;
  readonly rpc: RpcClient;
  readonly directory: RoomDirectory;
}

export function sipService({ records, rpc, directory }: SipServiceParts): TwirpService {
  const trunks = new SipTrunks(records);
  const participant = (room: string, identity: string) => findParticipant(directory, room, identity);
  const calls = new SipCalls({ records, rpc, participant });
  return {
    CreateSIPTrunk: admin(CreateSIPTrunkRequest, (request) => trunks.create(request)),
    CreateSIPInboundTrunk: admin(CreateSIPInboundTrunkRequest, (request) => trunks.createInbound(request)),
    CreateSIPOutboundTrunk: admin(CreateSIPOutboundTrunkRequest, (request) => trunks.createOutbound(request)),
    UpdateSIPInboundTrunk: admin(UpdateSIPInboundTrunkRequest, (request) => trunks.updateInbound(request)),
    UpdateSIPOutboundTrunk: admin(UpdateSIPOutboundTrunkRequest, (request) => trunks.updateOutbound(request)),
    GetSIPInboundTrunk: admin(GetSIPInboundTrunkRequest, (request) => trunks.getInbound(request)),
    GetSIPOutboundTrunk: admin(GetSIPOutboundTrunkRequest, (request) => trunks.getOutbound(request)),
    ListSIPTrunk: admin(ListSIPTrunkRequest, (request) => trunks.list(request)),
    ListSIPInboundTrunk: admin(ListSIPInboundTrunkRequest, (request) => trunks.listInbound(request)),
    ListSIPOutboundTrunk: admin(ListSIPOutboundTrunkRequest, (request) => trunks.listOutbound(request)),
    DeleteSIPTrunk: admin(DeleteSIPTrunkRequest, (request) => trunks.remove(request)),
    CreateSIPDispatchRule: admin(CreateSIPDispatchRuleRequest, (request) => trunks.createRule(request)),
    UpdateSIPDispatchRule: admin(UpdateSIPDispatchRuleRequest, (request) => trunks.updateRule(request)),
    ListSIPDispatchRule: admin(ListSIPDispatchRuleRequest, (request) => trunks.listRules(request)),
    DeleteSIPDispatchRule: admin(DeleteSIPDispatchRuleRequest, (request) => trunks.removeRule(request)),
    CreateSIPParticipant: method(CreateSIPParticipantRequest, async (request, claims, timeoutMs) => {
      requireSip(claims, 'call');
      return calls.create(request, timeoutMs);
    }),
    TransferSIPParticipant: method(TransferSIPParticipantRequest, async (request, claims, timeoutMs) => {
      if (request.roomName === '') throw new RpcError('invalid_argument', 'Missing room name');
      if (request.participantIdentity === '') throw new RpcError('invalid_argument', 'Missing participant identity');
      requireSip(claims, 'call');
      requireRoomAdmin(claims, request.roomName);
      return calls.transfer(request, timeoutMs);
    }),
  };
}

function admin<I extends Message<I>>(input: MessageType<I>, run: (request: I) => Promise<Message>): TwirpMethod {
  return method(input, async (request, claims) => {
    requireSip(claims, 'admin');
    return run(request);
  });
}

async function findParticipant(directory: RoomDirectory, room: string, identity: string): Promise<ParticipantInfo> {
  const found = await directory.loadParticipant(room as RoomName, identity as Identity);
  if (found === undefined) throw new RpcError('not_found', 'participant does not exist');
  return found;
}
