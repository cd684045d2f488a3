/** Events about egresses and ingresses, as webhooks carry them (livekit-facts 11.1). */

import { type EgressInfo, type IngressInfo, Room, WebhookEvent } from '@livekit/protocol';

/** Takes an event to whoever wants to hear of it. Does not throw. */
export type Notify = (event: WebhookEvent) => void;

export function egressEvent(
  name: 'egress_started' | 'egress_updated' | 'egress_ended',
  info: EgressInfo,
): WebhookEvent {
  const room = new Room({ sid: info.roomId, name: info.roomName });
  return new WebhookEvent({ event: name, room, egressInfo: info });
}

export function ingressEvent(name: 'ingress_started' | 'ingress_ended', info: IngressInfo): WebhookEvent {
  return new WebhookEvent({ event: name, room: new Room({ name: info.roomName }), ingressInfo: info });
}
