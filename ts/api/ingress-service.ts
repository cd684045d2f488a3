/** `livekit.Ingress`: streams that come in over RTMP and WHIP, or are fetched from a URL (livekit-facts 5.5). */

import {
  CreateIngressRequest,
  DeleteIngressRequest,
  IngressInfo,
  IngressInput,
  IngressState,
  IngressState_Status,
  ListIngressRequest,
  ListIngressResponse,
  UpdateIngressRequest,
} from '@livekit/protocol';
import { StartIngressRequest } from '../gen/rpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import type { RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcClient } from '../psrpc/client.ts';
import { IngressHandler, IngressInternal } from '../psrpc/services.ts';
import { requireIngressAdmin } from './grants.ts';
import { checkStartable, checkStorable, invalidIngress, invalidIngressType } from './ingress-validation.ts';
import { parsePullUrl } from './pull-url.ts';
import { method, type TwirpService } from './twirp.ts';
import type { IngressRecords } from './types.ts';

export interface IngressServiceParts {
  readonly rpc: RpcClient;
  readonly records: IngressRecords;
  /** What clients are told to send to; they append the stream key. */
  readonly baseUrls: { readonly rtmp: string; readonly whip: string };
  readonly log: { warn(fields: object, message: string): void };
}

export function ingressService(parts: IngressServiceParts): TwirpService {
  const { records } = parts;
  return {
    CreateIngress: method(CreateIngressRequest, async (request, claims) => {
      const type = request.inputType;
      if (IngressInput[type] === undefined) throw invalidIngressType();
      requireIngressAdmin(claims);
      return type === IngressInput.URL_INPUT ? pull(parts, request) : createListening(parts, request);
    }),
    UpdateIngress: method(UpdateIngressRequest, async (request, claims) => {
      requireIngressAdmin(claims);
      return update(parts, request);
    }),
    ListIngress: method(ListIngressRequest, async ({ ingressId, roomName }, claims) => {
      requireIngressAdmin(claims);
      const room = roomName === '' ? undefined : (roomName as RoomName);
      const items = ingressId === '' ? await records.list(room) : [await records.get(ingressId)];
      return new ListIngressResponse({ items });
    }),
    DeleteIngress: method(DeleteIngressRequest, async (request, claims) => {
      requireIngressAdmin(claims);
      return remove(parts, request);
    }),
  };
}

/** One that somebody will send to, again and again. */
async function createListening(
  { records, baseUrls }: IngressServiceParts,
  request: CreateIngressRequest,
): Promise<IngressInfo> {
  const info = newIngress(request);
  info.streamKey = newGuid('');
  info.url = request.inputType === IngressInput.RTMP_INPUT ? baseUrls.rtmp : baseUrls.whip;
  info.reusable = true;
  checkStorable(info);
  settleTranscoding(info);
  try {
    await records.create(info);
  } catch (error) {
    // A worker has it already.
    if (!(error instanceof RpcError && error.code === 'failed_precondition')) throw error;
  }
  return info;
}

/** One that a worker fetches from now on, once; the worker has it recorded. */
async function pull({ rpc }: IngressServiceParts, request: CreateIngressRequest): Promise<IngressInfo> {
  if (request.url === '') throw invalidIngress('missing URL parameter');
  const { scheme, text } = parsePullUrl(request.url);
  if (!PULLED_SCHEMES.has(scheme)) throw invalidIngress(`invalid url scheme ${scheme}`);
  const info = newIngress(request);
  info.url = text;
  checkStartable(info);
  settleTranscoding(info);
  return rpc.call(IngressInternal.StartIngress, '', new StartIngressRequest({ info }));
}

function newIngress(request: CreateIngressRequest): IngressInfo {
  const { audio, video, enableTranscoding, enabled } = request;
  return new IngressInfo({
    ingressId: newGuid('IN_'),
    name: request.name,
    inputType: request.inputType,
    roomName: request.roomName,
    participantIdentity: request.participantIdentity,
    participantName: request.participantName,
    participantMetadata: request.participantMetadata,
    state: new IngressState(),
    ...(audio === undefined ? {} : { audio }),
    ...(video === undefined ? {} : { video }),
    ...(enableTranscoding === undefined ? {} : { enableTranscoding }),
    ...(enabled === undefined ? {} : { enabled }),
  });
}

/** WHIP sends what browsers can take already; older workers look at the opposite flag. */
function settleTranscoding(info: IngressInfo): void {
  if (info.enableTranscoding !== undefined) {
    info.bypassTranscoding = !info.enableTranscoding;
    return;
  }
  info.enableTranscoding = info.inputType !== IngressInput.WHIP_INPUT;
  if (!info.enableTranscoding) info.bypassTranscoding = true;
}

async function update({ rpc, records, log }: IngressServiceParts, request: UpdateIngressRequest): Promise<IngressInfo> {
  const { ingressId } = request;
  const info = await records.get(ingressId);
  if (!info.reusable) {
    throw new RpcError('invalid_argument', 'ingress is not reusable and cannot be modified');
  }
  const state = info.state ?? new IngressState();
  info.state = state;
  switch (state.status) {
    case IngressState_Status.ENDPOINT_ERROR:
      state.status = IngressState_Status.ENDPOINT_INACTIVE;
      await records.updateState(ingressId, state).catch((error: unknown) => {
        log.warn({ ingressID: ingressId, error }, 'could not store ingress state');
      });
      applyUpdate(info, request);
      break;
    case IngressState_Status.ENDPOINT_INACTIVE:
      applyUpdate(info, request);
      break;
    case IngressState_Status.ENDPOINT_BUFFERING:
    case IngressState_Status.ENDPOINT_PUBLISHING:
      applyUpdate(info, request);
      // What becomes of its state the worker tells by itself.
      await rpc.call(IngressHandler.UpdateIngress, ingressId, request).catch((error: unknown) => {
        log.warn({ ingressID: ingressId, error }, 'could not update active ingress');
      });
      break;
  }
  await records.update(info);
  return info;
}

/** What is empty stays as it is. */
function applyUpdate(info: IngressInfo, request: UpdateIngressRequest): void {
  info.name = request.name || info.name;
  info.roomName = request.roomName || info.roomName;
  info.participantIdentity = request.participantIdentity || info.participantIdentity;
  info.participantName = request.participantName || info.participantName;
  info.participantMetadata = request.participantMetadata || info.participantMetadata;
  if (request.enableTranscoding !== undefined) info.enableTranscoding = request.enableTranscoding;
  if (request.audio !== undefined) info.audio = request.audio;
  if (request.video !== undefined) info.video = request.video;
  if (request.enabled !== undefined) info.enabled = request.enabled;
  checkStorable(info);
  settleTranscoding(info);
}

async function remove({ rpc, records, log }: IngressServiceParts, request: DeleteIngressRequest): Promise<IngressInfo> {
  const { ingressId } = request;
  const info = await records.get(ingressId);
  const state = info.state ?? new IngressState();
  if (RUNNING.has(state.status)) {
    await rpc.call(IngressHandler.DeleteIngress, ingressId, request).catch((error: unknown) => {
      log.warn({ ingressID: ingressId, error }, 'could not stop active ingress');
    });
  }
  await records.remove(info);
  state.status = IngressState_Status.ENDPOINT_INACTIVE;
  info.state = state;
  return info;
}

const PULLED_SCHEMES: ReadonlySet<string> = new Set(['http', 'https', 'srt']);
const RUNNING: ReadonlySet<IngressState_Status> = new Set([
  IngressState_Status.ENDPOINT_BUFFERING,
  IngressState_Status.ENDPOINT_PUBLISHING,
]);
