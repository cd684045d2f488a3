/** How the media of a call is sent: encryption, codecs, timeouts. */

import { SIPMediaConfig, SIPMediaEncryption } from '@livekit/protocol';
import { invalid } from './invalid.ts';

/** What holds a media configuration beside the field that came before it. */
interface WithMedia {
  media?: SIPMediaConfig;
  mediaEncryption: SIPMediaEncryption;
}

/** Brings what older clients and nodes wrote to the form of today: every one has a configuration. */
export function upgradeMedia(holder: WithMedia): void {
  holder.media = upgraded(holder.media, holder.mediaEncryption);
}

export function upgraded(media: SIPMediaConfig | undefined, encryption: SIPMediaEncryption): SIPMediaConfig {
  const config = media ?? new SIPMediaConfig();
  // The zero value means that nobody said anything.
  if (config.encryption === undefined && encryption !== SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE) {
    config.encryption = encryption;
  }
  return config;
}

/** `over` laid over `base`, part by part. */
export function mergeMedia(
  base: SIPMediaConfig | undefined,
  over: SIPMediaConfig | undefined,
): SIPMediaConfig | undefined {
  if (base === undefined || over === undefined) return (over ?? base)?.clone();
  const merged = over.clone();
  const encryption = mergeEncryption(base.encryption, over.encryption);
  if (encryption !== undefined) merged.encryption = encryption;
  if (over.mediaTimeout === undefined && base.mediaTimeout !== undefined) merged.mediaTimeout = base.mediaTimeout;
  if (over.codecs.length === 0) {
    merged.onlyListedCodecs = base.onlyListedCodecs;
    merged.codecs = base.codecs;
  }
  return merged;
}

/** Nobody switches off by not saying anything. */
function mergeEncryption(
  base: SIPMediaEncryption | undefined,
  over: SIPMediaEncryption | undefined,
): SIPMediaEncryption | undefined {
  if (base === undefined || over === undefined) return over ?? base;
  return over === SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE ? base : over;
}

export function checkMedia(media: SIPMediaConfig | undefined): void {
  for (const { name } of media?.codecs ?? []) {
    if (name === '') throw invalid('missing codec name');
    if (/[ \t\n\r]/.test(name)) throw invalid('invalid codec name');
    if (name.includes('/')) throw invalid("codec name must not contain '/'");
  }
  const { mediaTimeout } = media ?? {};
  if (mediaTimeout === undefined) return;
  if (mediaTimeout.seconds < 0n || mediaTimeout.nanos < 0) throw invalid('media_timeout must not be negative');
  const beyond =
    mediaTimeout.seconds > MAX_TIMEOUT_S || (mediaTimeout.seconds === MAX_TIMEOUT_S && mediaTimeout.nanos > 0);
  if (beyond) throw invalid('media_timeout must not exceed 10m0s');
}

const MAX_TIMEOUT_S = 600n;
