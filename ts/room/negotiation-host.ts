/** A member as its negotiation sees it: what it sends goes to the client, what it reports to the part concerned. */

import { MediaSectionsRequirement, SessionDescription, TrickleRequest } from '@livekit/protocol';
import type { ConnectionMetrics } from '../metrics/connections.ts';
import type { NegotiationHost } from '../negotiate/types.ts';
import type { Outbox } from './outbox.ts';
import type { Publications } from './publications.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { Transports } from './transports.ts';

export interface NegotiatedParts {
  readonly outbox: Outbox;
  readonly publications: Publications;
  readonly subscriptions: Subscriptions;
  readonly transports: Transports;
  restartSession(reason: 'negotiationFailed'): void;
}

export function negotiationHost(member: NegotiatedParts, metrics: Pick<ConnectionMetrics, 'served'>): NegotiationHost {
  const { outbox, publications, subscriptions, transports } = member;
  return {
    sendOffer: (sdp, id, midToTrackId) => {
      outbox.send({ case: 'offer', value: new SessionDescription({ type: 'offer', sdp, id, midToTrackId }) });
      metrics.served('offer');
    },
    sendAnswer: (sdp, id, midToTrackId) => {
      outbox.send({ case: 'answer', value: new SessionDescription({ type: 'answer', sdp, id, midToTrackId }) });
      metrics.served('answer');
    },
    sendTrickle: (candidateInit, target, final) =>
      outbox.send({ case: 'trickle', value: new TrickleRequest({ candidateInit, target, final }) }),
    sendMediaSectionsRequirement: (numAudios, numVideos) =>
      outbox.send({
        case: 'mediaSectionsRequirement',
        value: new MediaSectionsRequirement({ numAudios, numVideos }),
      }),

    matchPublication: (section) => publications.match(section),
    awaitsPublication: () => publications.awaited,
    onPublished: (source) => publications.started(source),
    onUnpublished: (source) => publications.stopped(source),

    onSubscribed: (trackSid, codec) => subscriptions.bound(trackSid, codec),
    onSubscriptionStarted: (trackSid) => subscriptions.started(trackSid),
    onSubscriptionUnsupported: (trackSid) => subscriptions.unsupported(trackSid),
    onSubscriptionQuality: (trackSid, quality) => {
      subscriptions.setQuality(trackSid, quality);
      if (!quality.lost) transports.reported(quality);
    },

    onIceState: (transport, state, pair) => transports.iceState(transport, state, pair),
    onConnected: (transport, primary, times) => transports.connected(transport, primary, times),
    onTransportClosed: (transport, reason) => transports.closed(transport, reason),
    onNegotiationFailed: () => member.restartSession('negotiationFailed'),
  };
}
