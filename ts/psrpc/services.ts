/**
 * Every method that nodes and workers of a livekit cluster call, with the kind of request that livekit-server 1.13.5 makes
 * (livekit-facts 7.3). The topic of each is in its comment; without one it is empty.
 */

import { Empty, type Message, type MessageType } from '@bufbuild/protobuf';
import {
  AgentDispatch,
  CreateRoomRequest,
  DeleteAgentDispatchRequest,
  DeleteIngressRequest,
  DeleteRoomRequest,
  DeleteRoomResponse,
  EgressInfo,
  ForwardParticipantRequest,
  ForwardParticipantResponse,
  IngressInfo,
  IngressState,
  Job,
  ListAgentDispatchRequest,
  ListAgentDispatchResponse,
  ListEgressRequest,
  ListEgressResponse,
  ListParticipantsRequest,
  ListParticipantsResponse,
  Room as LivekitRoom,
  MoveParticipantRequest,
  MoveParticipantResponse,
  MuteRoomTrackRequest,
  MuteRoomTrackResponse,
  ParticipantInfo,
  PerformRpcRequest,
  PerformRpcResponse,
  RemoveParticipantResponse,
  RoomParticipantIdentity,
  SendDataRequest,
  SendDataResponse,
  StopEgressRequest,
  UpdateIngressRequest,
  UpdateParticipantRequest,
  UpdateRoomMetadataRequest,
  UpdateStreamRequest,
  UpdateSubscriptionsRequest,
  UpdateSubscriptionsResponse,
} from '@livekit/protocol';
import * as rpc from '../gen/rpc_pb.ts';
import type { Method, MethodKind } from './method.ts';

/** Topic: the id of the node that hosts the room. */
export const Signal = {
  RelaySignal: stream('Signal', 'RelaySignal', rpc.RelaySignalRequest, rpc.RelaySignalResponse),
};

/** Topic: the id of the node that is to host the room. */
export const RoomManager = {
  CreateRoom: queue('RoomManager', 'CreateRoom', CreateRoomRequest, LivekitRoom),
};

/** Topic: the room's name. Served by the node that hosts it. */
export const Room = {
  DeleteRoom: queue('Room', 'DeleteRoom', DeleteRoomRequest, DeleteRoomResponse),
  SendData: queue('Room', 'SendData', SendDataRequest, SendDataResponse),
  UpdateRoomMetadata: queue('Room', 'UpdateRoomMetadata', UpdateRoomMetadataRequest, LivekitRoom),
  ListParticipants: queue('Room', 'ListParticipants', ListParticipantsRequest, ListParticipantsResponse),
  GetParticipant: queue('Room', 'GetParticipant', RoomParticipantIdentity, ParticipantInfo),
};

/** Topic: `<room>_<identity>`. Served by the node that hosts the room. */
export const Participant = {
  RemoveParticipant: participant('RemoveParticipant', RoomParticipantIdentity, RemoveParticipantResponse),
  MutePublishedTrack: participant('MutePublishedTrack', MuteRoomTrackRequest, MuteRoomTrackResponse),
  UpdateParticipant: participant('UpdateParticipant', UpdateParticipantRequest, ParticipantInfo),
  UpdateSubscriptions: participant('UpdateSubscriptions', UpdateSubscriptionsRequest, UpdateSubscriptionsResponse),
  ForwardParticipant: participant('ForwardParticipant', ForwardParticipantRequest, ForwardParticipantResponse),
  MoveParticipant: participant('MoveParticipant', MoveParticipantRequest, MoveParticipantResponse),
  PerformRpc: participant('PerformRpc', PerformRpcRequest, PerformRpcResponse),
};

/** Topic: the room's name. Served by the node that hosts it. */
export const AgentDispatchInternal = {
  CreateDispatch: queue('AgentDispatchInternal', 'CreateDispatch', AgentDispatch, AgentDispatch),
  DeleteDispatch: queue('AgentDispatchInternal', 'DeleteDispatch', DeleteAgentDispatchRequest, AgentDispatch),
  ListDispatch: queue('AgentDispatchInternal', 'ListDispatch', ListAgentDispatchRequest, ListAgentDispatchResponse),
};

/** Served by every node that agents' workers are connected to. */
export const AgentInternal = {
  CheckEnabled: multi('AgentInternal', 'CheckEnabled', rpc.CheckEnabledRequest, rpc.CheckEnabledResponse),
  /** Topic: the agent's topic, then the kind of job. */
  JobRequest: affinity('AgentInternal', 'JobRequest', Job, rpc.JobRequestResponse),
  /** Topic: the job's id. */
  JobTerminate: queue('AgentInternal', 'JobTerminate', rpc.JobTerminateRequest, rpc.JobTerminateResponse),
  /** Topic: `''`. */
  WorkerRegistered: subscription('AgentInternal', 'WorkerRegistered', Empty),
};

/** Topic: the node's own id; a node that hears itself has a bus that works. */
export const Keepalive = {
  Ping: subscription('Keepalive', 'Ping', rpc.KeepalivePing),
};

/** Topic: the node's id. */
export const WHIP = {
  Create: queue('WHIP', 'Create', rpc.WHIPCreateRequest, rpc.WHIPCreateResponse),
};

/** Topic: `<room>_<identity>`. */
export const WHIPParticipant = {
  ICETrickle: queue('WHIPParticipant', 'ICETrickle', rpc.WHIPParticipantICETrickleRequest, Empty),
  ICERestart: queue(
    'WHIPParticipant',
    'ICERestart',
    rpc.WHIPParticipantICERestartRequest,
    rpc.WHIPParticipantICERestartResponse,
  ),
  DeleteSession: queue('WHIPParticipant', 'DeleteSession', rpc.WHIPParticipantDeleteSessionRequest, Empty),
};

/** Topic: `''`. Served by egress workers. */
export const EgressInternal = {
  StartEgress: affinity('EgressInternal', 'StartEgress', rpc.StartEgressRequest, EgressInfo),
  ListActiveEgress: multi(
    'EgressInternal',
    'ListActiveEgress',
    rpc.ListActiveEgressRequest,
    rpc.ListActiveEgressResponse,
  ),
};

/** Topic: the egress id. Served by the worker that records. */
export const EgressHandler = {
  StopEgress: queue('EgressHandler', 'StopEgress', StopEgressRequest, EgressInfo),
  UpdateStream: queue('EgressHandler', 'UpdateStream', UpdateStreamRequest, EgressInfo),
};

/** Served by ingress workers. */
export const IngressInternal = {
  StartIngress: affinity('IngressInternal', 'StartIngress', rpc.StartIngressRequest, IngressInfo),
  /** Topic: `''`. */
  ListActiveIngress: multi(
    'IngressInternal',
    'ListActiveIngress',
    rpc.ListActiveIngressRequest,
    rpc.ListActiveIngressResponse,
  ),
};

/** Topic: the ingress id, or the id of its WHIP resource. Served by the worker that ingests. */
export const IngressHandler = {
  UpdateIngress: queue('IngressHandler', 'UpdateIngress', UpdateIngressRequest, IngressState),
  DeleteIngress: queue('IngressHandler', 'DeleteIngress', DeleteIngressRequest, IngressState),
  DeleteWHIPResource: queue('IngressHandler', 'DeleteWHIPResource', rpc.DeleteWHIPResourceRequest, Empty),
  ICERestartWHIPResource: queue(
    'IngressHandler',
    'ICERestartWHIPResource',
    rpc.ICERestartWHIPResourceRequest,
    rpc.ICERestartWHIPResourceResponse,
  ),
  WHIPRTCConnectionNotify: define(
    'single',
    'IngressHandler',
    'WHIPRTCConnectionNotify',
    rpc.WHIPRTCConnectionNotifyRequest,
    Empty,
  ),
};

/** Served by SIP workers. */
export const SIPInternal = {
  /** Topic: `''`. */
  CreateSIPParticipant: queue(
    'SIPInternal',
    'CreateSIPParticipant',
    rpc.InternalCreateSIPParticipantRequest,
    rpc.InternalCreateSIPParticipantResponse,
  ),
  /** Topic: the SIP call's id. */
  TransferSIPParticipant: queue(
    'SIPInternal',
    'TransferSIPParticipant',
    rpc.InternalTransferSIPParticipantRequest,
    Empty,
  ),
};

/** Served by the nodes, for egress, ingress and SIP workers. */
export const IOInfo = {
  CreateEgress: queue('IOInfo', 'CreateEgress', EgressInfo, Empty),
  UpdateEgress: queue('IOInfo', 'UpdateEgress', EgressInfo, Empty),
  GetEgress: queue('IOInfo', 'GetEgress', rpc.GetEgressRequest, EgressInfo),
  ListEgress: queue('IOInfo', 'ListEgress', ListEgressRequest, ListEgressResponse),
  UpdateMetrics: queue('IOInfo', 'UpdateMetrics', rpc.UpdateMetricsRequest, Empty),
  /** Newer workers read the info that came of it, older ones nothing. */
  CreateIngress: queue('IOInfo', 'CreateIngress', IngressInfo, rpc.GetIngressInfoResponse),
  GetIngressInfo: queue('IOInfo', 'GetIngressInfo', rpc.GetIngressInfoRequest, rpc.GetIngressInfoResponse),
  UpdateIngressState: queue('IOInfo', 'UpdateIngressState', rpc.UpdateIngressStateRequest, Empty),
  GetSIPTrunkAuthentication: queue(
    'IOInfo',
    'GetSIPTrunkAuthentication',
    rpc.GetSIPTrunkAuthenticationRequest,
    rpc.GetSIPTrunkAuthenticationResponse,
  ),
  EvaluateSIPDispatchRules: queue(
    'IOInfo',
    'EvaluateSIPDispatchRules',
    rpc.EvaluateSIPDispatchRulesRequest,
    rpc.EvaluateSIPDispatchRulesResponse,
  ),
  UpdateSIPCallState: queue('IOInfo', 'UpdateSIPCallState', rpc.UpdateSIPCallStateRequest, Empty),
  RecordCallContext: queue('IOInfo', 'RecordCallContext', rpc.RecordCallContextRequest, Empty),
};

function participant<Req extends Message<Req>, Res extends Message<Res>>(
  name: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
): Method<Req, Res, 'queue'> {
  return queue('Participant', name, request, response);
}

function queue<Req extends Message<Req>, Res extends Message<Res>>(
  service: string,
  name: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
): Method<Req, Res, 'queue'> {
  return define('queue', service, name, request, response);
}

function affinity<Req extends Message<Req>, Res extends Message<Res>>(
  service: string,
  name: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
): Method<Req, Res, 'affinity'> {
  return define('affinity', service, name, request, response);
}

function multi<Req extends Message<Req>, Res extends Message<Res>>(
  service: string,
  name: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
): Method<Req, Res, 'multi'> {
  return define('multi', service, name, request, response);
}

function stream<Req extends Message<Req>, Res extends Message<Res>>(
  service: string,
  name: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
): Method<Req, Res, 'stream'> {
  return define('stream', service, name, request, response);
}

function subscription<Sent extends Message<Sent>>(
  service: string,
  name: string,
  message: MessageType<Sent>,
): Method<Sent, Sent, 'subscription'> {
  return define('subscription', service, name, message, message);
}

function define<Req extends Message<Req>, Res extends Message<Res>, Kind extends MethodKind>(
  kind: Kind,
  service: string,
  name: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
): Method<Req, Res, Kind> {
  return { kind, service, name, request, response };
}
