/** What particular clients can and can't do: SDKs of known versions, browsers and devices (livekit-facts 4.2, 15). */

import {
  ClientConfiguration,
  type ClientInfo,
  ClientInfo_SDK,
  DisabledCodecs,
  Codec as EnabledCodec,
} from '@livekit/protocol';
import type { AddressRules } from '../negotiate/types.ts';
import { codecName, isAudioMime, isRtx, sameMime } from './mime.ts';

/** The `client_configuration` of a join or reconnect response; undefined where no rule applies. */
export function clientConfiguration(client: ClientInfo): ClientConfiguration | undefined {
  const browser = client.browser.toLowerCase();
  const os = client.os.toLowerCase();
  const firefox = browser === 'firefox' || browser === 'firefox mobile';
  const xiaomi = client.deviceModel.toLowerCase() === 'xiaomi 2201117ti' && os === 'android';
  if (xiaomi || (firefox && (os === 'linux' || os === 'android'))) return disabling([], ['video/H264']);
  if (browser !== 'safari') return undefined;
  const recent = compareVersions(client.browserVersion, '18.3') > 0;
  return disabling(['video/AV1'], recent ? ['video/VP9'] : []);
}

/** Codecs a client may publish: VP8 first, then H264, other video and audio, with RTX. */
export function publishCodecs(room: readonly EnabledCodec[], rules: ClientConfiguration | undefined): EnabledCodec[] {
  const disabled = [...(rules?.disabledCodecs?.codecs ?? []), ...(rules?.disabledCodecs?.publish ?? [])];
  const allowed = room.filter((codec) => !disabled.some((rule) => sameMime(rule.mime, codec.mime)));
  return allowed
    .map((codec, index) => ({ codec, index }))
    .toSorted((a, b) => publishRank(a.codec) - publishRank(b.codec) || a.index - b.index)
    .map((entry) => entry.codec);
}

/** Codecs a client may receive, in the room's order. */
export function subscribeCodecs(room: readonly EnabledCodec[], rules: ClientConfiguration | undefined): EnabledCodec[] {
  const disabled = rules?.disabledCodecs?.codecs ?? [];
  return room.filter((codec) => !disabled.some((rule) => sameMime(rule.mime, codec.mime)));
}

/** The room's codecs, RTX among them. */
export function withRtx(codecs: readonly EnabledCodec[]): EnabledCodec[] {
  if (codecs.some((codec) => isRtx(codec.mime))) return [...codecs];
  return [...codecs, new EnabledCodec({ mime: 'video/rtx' })];
}

export function isFirefox(client: ClientInfo): boolean {
  const browser = client.browser.toLowerCase();
  return browser === 'firefox' || browser === 'firefox mobile';
}

/**
 * Firefox makes nothing of a peer-reflexive candidate behind its relay: where our packets leave by an external address
 * it must know that one and no internal one.
 */
export function addressRules(
  rtc: { translatedAddresses: ReadonlyMap<string, string>; advertiseInternalIp: boolean },
  client: ClientInfo,
): AddressRules {
  const firefox = isFirefox(client);
  return {
    translated: rtc.translatedAddresses,
    internalToo: rtc.advertiseInternalIp && !firefox,
    externalOnly: firefox && rtc.translatedAddresses.size > 0,
  };
}

/** Firefox on Linux and Android takes the first video codec it knows, whatever the answer's order. */
export function ignoresCodecOrder(client: ClientInfo): boolean {
  const os = client.os.toLowerCase();
  return isFirefox(client) && (os === 'linux' || os === 'android');
}

/** OBS sends RTCP sender reports on some of its layers only. */
export function isObs(client: ClientInfo): boolean {
  return client.browser.includes('OBS');
}

/** Early Rust clients end the session on signals they don't know. */
export function understandsTrackSubscribed(client: ClientInfo): boolean {
  return client.sdk !== ClientInfo_SDK.RUST || client.protocol >= 10;
}

export function understandsRequestResponse(client: ClientInfo): boolean {
  return understandsTrackSubscribed(client);
}

/** JS before 1.6.3 took any response it did not know for a failed resume. */
export function understandsReconnectResponse(client: ClientInfo): boolean {
  return client.sdk !== ClientInfo_SDK.JS || compareVersions(client.version, '1.6.3') >= 0;
}

/** Clients whose ICE does not open TCP connections never get there. */
export function connectsByTcp(client: ClientInfo): boolean {
  if (client.sdk === ClientInfo_SDK.GO) return false;
  return client.sdk !== ClientInfo_SDK.SWIFT || compareVersions(client.version, '1.0.5') >= 0;
}

/** Negative, zero or positive, as of three numeric parts; missing ones count as 0. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.');
  const right = b.split('.');
  for (let part = 0; part < 3; part++) {
    const difference = (Number.parseInt(left[part] ?? '', 10) || 0) - (Number.parseInt(right[part] ?? '', 10) || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function publishRank(codec: EnabledCodec): number {
  const name = codecName(codec.mime);
  if (name === 'vp8') return 0;
  if (name === 'h264') return 1;
  return isAudioMime(codec.mime) ? 3 : 2;
}

function disabling(codecs: string[], publish: string[]): ClientConfiguration {
  const listed = (mimes: string[]): EnabledCodec[] => mimes.map((mime) => new EnabledCodec({ mime }));
  return new ClientConfiguration({
    disabledCodecs: new DisabledCodecs({ codecs: listed(codecs), publish: listed(publish) }),
  });
}
