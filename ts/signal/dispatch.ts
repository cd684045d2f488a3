import type { SignalRequest } from '@livekit/protocol';
import type { SignalSession } from './types.ts';

/** Hands a request to the method of the session that answers it. False for a request that this version does not know. */
export function dispatch(session: SignalSession, { message }: SignalRequest): boolean {
  const { negotiation, publishing, subscribing, data, participant } = session;
  switch (message.case) {
    case 'offer':
      negotiation.offer(message.value);
      return true;
    case 'answer':
      negotiation.answer(message.value);
      return true;
    case 'trickle':
      negotiation.trickle(message.value);
      return true;
    case 'addTrack':
      publishing.addTrack(message.value);
      return true;
    case 'mute':
      publishing.mute(message.value);
      return true;
    case 'updateAudioTrack':
      publishing.updateAudioTrack(message.value);
      return true;
    case 'updateVideoTrack':
      publishing.updateVideoTrack(message.value);
      return true;
    case 'subscriptionPermission':
      publishing.subscriptionPermission(message.value);
      return true;
    case 'subscription':
      subscribing.subscription(message.value);
      return true;
    case 'trackSetting':
      subscribing.trackSetting(message.value);
      return true;
    case 'publishDataTrackRequest':
      data.publishDataTrack(message.value);
      return true;
    case 'unpublishDataTrackRequest':
      data.unpublishDataTrack(message.value);
      return true;
    case 'updateDataSubscription':
      data.updateDataSubscription(message.value);
      return true;
    case 'storeDataBlobRequest':
      data.storeDataBlob(message.value);
      return true;
    case 'getDataBlobRequest':
      data.getDataBlob(message.value);
      return true;
    case 'leave':
      participant.leave(message.value);
      return true;
    case 'syncState':
      participant.syncState(message.value);
      return true;
    case 'simulate':
      participant.simulate(message.value);
      return true;
    case 'updateMetadata':
      participant.updateMetadata(message.value);
      return true;
    case 'ping':
      participant.ping(undefined);
      return true;
    case 'pingReq':
      participant.ping(message.value);
      return true;
    case 'updateLayers':
      // Deprecated: livekit-server takes it and does nothing.
      return true;
    case undefined:
      return false;
    default:
      return unknownCase(message);
  }
}

/** Fails to compile when a request of the protocol has no case above. */
function unknownCase(_message: never): boolean {
  return false;
}
