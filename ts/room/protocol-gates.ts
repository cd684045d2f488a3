/** What a client's protocol version lets it understand (livekit-facts 1.9). */

export interface ProtocolGates {
  readonly subscriberPrimary: boolean;
  readonly speakersChanged: boolean;
  readonly connectionQuality: boolean;
  readonly iceLite: boolean;
  readonly trackUnpublished: boolean;
  readonly fastStart: boolean;
  readonly disconnectedUpdates: boolean;
  readonly syncStreams: boolean;
  readonly lostQuality: boolean;
  readonly identityReconnect: boolean;
  readonly leaveAction: boolean;
  readonly okResponses: boolean;
}

export function protocolGates(version: number): ProtocolGates {
  return {
    subscriberPrimary: version > 2,
    speakersChanged: version > 2,
    connectionQuality: version > 4,
    iceLite: version > 5,
    trackUnpublished: version > 6,
    fastStart: version > 7,
    disconnectedUpdates: version > 8,
    syncStreams: version > 9,
    lostQuality: version > 10,
    identityReconnect: version > 11,
    leaveAction: version > 12,
    okResponses: version > 14,
  };
}
