/** `livekit.Egress`: recordings and streams of rooms, participants, tracks and web pages (livekit-facts 5.4). */

import type { Message, MessageType } from '@bufbuild/protobuf';
import {
  type EgressInfo,
  EgressStatus,
  ListEgressRequest,
  ListEgressResponse,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  StartEgressRequest,
  StopEgressRequest,
  TrackCompositeEgressRequest,
  TrackEgressRequest,
  UpdateLayoutRequest,
  UpdateParticipantRequest,
  UpdateStreamRequest,
  WebEgressRequest,
} from '@livekit/protocol';
import { StartEgressRequest as InternalStartEgressRequest } from '../gen/rpc_pb.ts';
import { newGuid } from '../lib/guid.ts';
import type { Identity, RoomName } from '../lib/ids.ts';
import { RpcError } from '../lib/rpc-error.ts';
import type { RpcClient } from '../psrpc/client.ts';
import { noResponse } from '../psrpc/failure.ts';
import { EgressHandler } from '../psrpc/services.ts';
import type { EgressLauncher } from './egress-launcher.ts';
import { requireRoomRecord } from './grants.ts';
import { type ApiLimits, checkMetadata } from './limits.ts';
import { method, type TwirpMethod, type TwirpService } from './twirp.ts';
import type { EgressRecords, ParticipantControl, RoomDirectory } from './types.ts';

export interface EgressServiceParts {
  readonly launcher: EgressLauncher;
  readonly rpc: RpcClient;
  readonly records: EgressRecords;
  /** Of the egress itself, which is a participant of the room. */
  readonly participants: Pick<ParticipantControl, 'updateParticipant'>;
  readonly directory: RoomDirectory;
  readonly limits: ApiLimits;
}

export function egressService(parts: EgressServiceParts): TwirpService {
  return { ...startMethods(parts.launcher), ...runningMethods(parts), ListEgress: listMethod(parts.records) };
}

function startMethods(launcher: EgressLauncher): TwirpService {
  return {
    StartEgress: starting(launcher, StartEgressRequest, (value) => ({ case: 'egress', value })),
    StartRoomCompositeEgress: starting(launcher, RoomCompositeEgressRequest, (value) => ({
      case: 'roomComposite',
      value,
    })),
    StartWebEgress: starting(launcher, WebEgressRequest, (value) => ({ case: 'web', value })),
    StartParticipantEgress: starting(launcher, ParticipantEgressRequest, (value) => ({ case: 'participant', value })),
    StartTrackCompositeEgress: starting(launcher, TrackCompositeEgressRequest, (value) => ({
      case: 'trackComposite',
      value,
    })),
    StartTrackEgress: starting(launcher, TrackEgressRequest, (value) => ({ case: 'track', value })),
  };
}

function runningMethods({ launcher, rpc, records, participants, directory, limits }: EgressServiceParts): TwirpService {
  return {
    UpdateLayout: method(UpdateLayoutRequest, async ({ egressId, layout }, claims) => {
      requireRoomRecord(claims);
      const info = await records.get(egressId);
      const metadata = layoutMetadata(layout);
      checkMetadata(metadata, limits);
      const known = await directory.loadParticipant(info.roomName as RoomName, egressId as Identity);
      if (known === undefined) throw new RpcError('not_found', 'participant does not exist');
      const update = new UpdateParticipantRequest({ room: info.roomName, identity: egressId, metadata });
      await participants.updateParticipant(update);
      return info;
    }),
    UpdateStream: method(UpdateStreamRequest, async (request, claims) => {
      requireRoomRecord(claims);
      const { egressId } = request;
      return ofRunning(records, egressId, 'updated', () => rpc.call(EgressHandler.UpdateStream, egressId, request));
    }),
    StopEgress: method(StopEgressRequest, async (request, claims) => {
      requireRoomRecord(claims);
      try {
        return await ofRunning(records, request.egressId, 'stopped', () => launcher.stop(request));
      } catch (error) {
        // The worker is there and does not come to it: for who asks, time ran out.
        if (isNoResponse(error)) throw new RpcError('deadline_exceeded', 'request timed out');
        throw error;
      }
    }),
  };
}

function listMethod(records: EgressRecords): TwirpMethod {
  return method(ListEgressRequest, async (request, claims) => {
    requireRoomRecord(claims);
    return new ListEgressResponse({ items: await records.list(request) });
  });
}

type InternalRequest = InternalStartEgressRequest['request'];

function starting<Request extends Message<Request>>(
  launcher: EgressLauncher,
  input: MessageType<Request>,
  wrap: (value: Request) => InternalRequest,
): TwirpMethod {
  return method(input, async (value, claims) => {
    requireRoomRecord(claims);
    return launcher.start(new InternalStartEgressRequest({ egressId: newGuid('EG_'), request: wrap(value) }));
  });
}

/** Asks the worker, unless the egress is over; where that fails it may have come to its end meanwhile. */
async function ofRunning(
  records: EgressRecords,
  id: string,
  participle: 'updated' | 'stopped',
  ask: () => Promise<EgressInfo>,
): Promise<EgressInfo> {
  const over = (status: EgressStatus) => {
    const name = EgressStatus[status] ?? String(status);
    return new RpcError('failed_precondition', `egress with status ${name} cannot be ${participle}`);
  };
  // What is not recorded may run all the same: Redis may have been emptied.
  const known = await records.get(id).catch(() => undefined);
  if (known !== undefined && known.status >= EgressStatus.EGRESS_COMPLETE) throw over(known.status);
  try {
    return await ask();
  } catch (error) {
    const { status } = await records.get(id);
    if (status === EgressStatus.EGRESS_STARTING || status === EgressStatus.EGRESS_ACTIVE) throw error;
    throw over(status);
  }
}

/** The page that an egress records looks into its own participant's metadata for its layout; escaped as Go does. */
function layoutMetadata(layout: string): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify({ layout }).replace(/[<>&\u2028\u2029]/gu, escaped);
}

function isNoResponse(error: unknown): boolean {
  const { code, message } = noResponse();
  return error instanceof RpcError && error.code === code && error.message === message;
}
